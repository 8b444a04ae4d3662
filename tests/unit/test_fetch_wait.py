"""How long a fetch may wait: its answer is there when a tick is due, and those that decide about the tick come soon."""

import pytest

from streams.fetch_wait import FetchWait
from streams.settings import Engine

MINUTE = 60_000


@pytest.mark.parametrize(
    ("since_due", "wait"),
    [
        (-10_000, 100),
        (-300, 51),  # short ones begin before the tick is due by as much as a feed may be silent
        (-350, 100),
        (-250, 20),
        (0, 20),
        (300, 20),
        (301, 100),
    ],
)
def test_wait_around_a_tick(since_due, wait):
    """Fetches are short from when the silence that a tick waits for may begin until it must have ended, and end where that begins."""
    engine = Engine(grace=0.25, idle=0.25)
    due = 29_000_000 * MINUTE + 250
    assert FetchWait(100, engine)(due + since_due) == wait


def test_settings_are_the_most():
    """Who sets a shorter wait has it; and a feed that may be silent for long does not make fetches short all the time."""
    due = 29_000_000 * MINUTE + 250
    assert FetchWait(5, Engine())(due) == 5
    assert FetchWait(100, Engine(idle=30))(due + 10_000) == 100
