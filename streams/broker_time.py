"""Whether the clock of this machine is right, by what a broker stamps.

Ticks of quiet feeds, silence and due dates follow the clock of the worker. One that is an hour fast runs the ticks of
an hour that has not been, and nothing takes them back. Every takeover appends a record to `dead-letters`, which brokers
stamp.
"""

from __future__ import annotations

from typing import Any, Final

MOST_WRONG_MS: Final = 60_000
"""By how much the two clocks may differ."""
_INVALID_TIMESTAMP: Final = 32
"""A broker's answer to a record that is dated too far from its own time: by an hour ahead, on Kafka 4."""


class WrongClockError(Exception):
    """The clock of this machine differs from that of a broker."""


def expect_right_clock(answer: Any, began: int, now: int) -> None:  # noqa: ANN401 - aiokafka has no types
    """Raises WrongClockError if no moment between `began` and `now` (ms UTC, here) can be when a broker appended.

    `answer` is that to a ProduceRequest; topics stamped by whoever writes tell nothing.
    """
    for topic, partitions in answer.topics:
        for partition, code, _, stamp, *_ in partitions:
            if code == _INVALID_TIMESTAMP:
                raise WrongClockError(_text("by more than that broker takes", topic, partition))
            ahead, behind = (began - stamp, stamp - now) if stamp >= 0 else (0, 0)
            if ahead > MOST_WRONG_MS:
                raise WrongClockError(_text(f"by {ahead / 1000:.0f} s, being ahead", topic, partition))
            if behind > MOST_WRONG_MS:
                raise WrongClockError(_text(f"by {behind / 1000:.0f} s, being behind", topic, partition))


def _text(how: str, topic: str, partition: int) -> str:
    return f"the clock of this machine differs {how}, from that of the broker that leads {topic}[{partition}]"
