"""Scores wait for what else a worker has to do, and for nothing else."""

from __future__ import annotations

import pytest

from streams import scoring_pace
from streams.scoring_pace import SCORING_S, Pace


class Thread:
    """Its clocks: what else the machine has to do would be seen in those of a real one."""

    def __init__(self) -> None:
        self.wall = self.used = 100.0

    def monotonic(self) -> float:
        return self.wall

    def thread_time(self) -> float:
        return self.used

    def work(self, seconds: float) -> None:
        """Use the processor for so long."""
        self.wall += seconds
        self.used += seconds


@pytest.fixture
def thread(monkeypatch):
    thread = Thread()
    monkeypatch.setattr(scoring_pace, "time", thread)
    return thread


def test_idle_thread_goes_on_at_once(thread):
    """Where the time for scores was used up, the rest follows without a pause if the thread does nothing else."""
    pace = Pace(0.1)
    thread.work(0.05)  # the scoring itself
    thread.wall += 0.02
    assert pace.pause(SCORING_S, 0.0) < 0.05
    thread.work(0.01)
    assert pace.pause(SCORING_S + 0.01, 0.0) == 0.05


def test_busy_thread_comes_first(thread):
    """Beside other work the pause is longer than what scoring took, by up to eight times; a burst alone does not count much."""
    pace = Pace(0.1)
    thread.work(0.3)  # of which 0.05 were scores
    assert 0.05 <= (burst := pace.pause(SCORING_S, 0.0)) < 0.2
    for scored in range(2, 6):
        thread.work(0.5)
        busy = pace.pause(scored * SCORING_S, 0.0)
    assert 2 * burst < busy <= 0.4


def test_nothing_published_is_no_reason_to_hurry():
    """A publication that could not begin, as in a rebalance, is tried again after half an interval."""
    pace = Pace(0.1)
    assert pace.pause(0.0, 0.0) == 0.05


def test_rows_do_not_hold_scores_up(thread):
    """What a commit spends on rows does not count as other work: they are patient."""
    pace = Pace(0.1)
    thread.work(0.3)  # of which 0.05 were scores, and the rest rows
    assert pace.pause(SCORING_S, 0.25) < 0.05
