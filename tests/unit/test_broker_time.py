"""What answers of a broker say about the clock of this machine."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from aiokafka.errors import InvalidTimestampError

from streams.broker_time import WrongClockError, expect_right_clock

NOW = 1_790_000_000_000
UNSTAMPED = -1


def answer(*partitions: tuple[str, int, int]) -> SimpleNamespace:
    """To a ProduceRequest: of each partition the topic, error code and stamp."""
    return SimpleNamespace(topics=[(topic, [(1, code, 0, stamp)]) for topic, code, stamp in partitions])


def test_refused_date_is_a_wrong_clock():
    """A broker that refuses our date is named, whatever else its answer holds behind that."""
    refused = answer(("p.state", InvalidTimestampError.errno, UNSTAMPED), ("p.dead-letters", 0, NOW))
    with pytest.raises(WrongClockError, match=r"by more than that broker takes, .* leads p.state\[1\]"):
        expect_right_clock(refused, NOW, NOW)


@pytest.mark.parametrize(
    ("off_s", "said"), [(61, "by 61 s, being behind"), (-61, "by 61 s, being ahead"), (60, ""), (-60, "")]
)
def test_stamp_tells_the_time(off_s, said):
    """A stamp more than a minute away from any moment of the request is a wrong clock; where there is none nothing is told."""
    told = answer(("p.state", 0, UNSTAMPED), ("p.dead-letters", 0, NOW + 1000 * off_s))
    if not said:
        expect_right_clock(told, NOW, NOW)
        return
    with pytest.raises(WrongClockError, match=rf"{said}, .* leads p.dead-letters\[1\]"):
        expect_right_clock(told, NOW, NOW)
