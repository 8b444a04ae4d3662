"""What SIGTERM leaves to the last commit is bounded by what rows take, not only by their number."""

from types import SimpleNamespace

import pytest

from streams.flush import Flush
from streams.intake import MOST_ROWS


@pytest.mark.parametrize(
    ("rows", "seconds", "may_wait"),
    [
        (50_000, 0.5, MOST_ROWS),
        (50_000, 2.0, 50_000),
        (50_000, 4.0, 25_000),
        (999, 4.0, MOST_ROWS),
    ],
)
def test_rows_that_may_wait_can_be_encoded_in_two_seconds(rows, seconds, may_wait):
    """By the last commit that had enough rows to tell; never more than there may be on a fast machine."""
    flush = SimpleNamespace(_intake=SimpleNamespace(most_rows=MOST_ROWS))
    Flush._learn(flush, rows, seconds)
    assert flush._intake.most_rows == may_wait
