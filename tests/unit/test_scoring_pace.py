"""Scores wait for what else a worker has to do, and for nothing else."""

from __future__ import annotations

import time

from streams.scoring_pace import SCORING_S, Pace


def work(seconds: float) -> None:
    """Use the processor for so long."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_idle_thread_goes_on_at_once():
    """Where the time for scores was used up, the rest follows without a pause if the thread does nothing else."""
    pace = Pace(0.1)
    work(0.05)  # the scoring itself
    time.sleep(0.02)
    assert pace.pause(SCORING_S, 0.0) < 0.05
    work(0.01)
    assert pace.pause(SCORING_S + 0.01, 0.0) == 0.05


def test_busy_thread_comes_first():
    """Beside other work the pause is longer than what scoring took, by up to eight times; a burst alone does not count much."""
    pace = Pace(0.1)
    work(0.3)  # of which 0.05 were scores
    assert 0.05 <= (burst := pace.pause(SCORING_S, 0.0)) < 0.2
    for scored in range(2, 6):
        work(0.5)
        busy = pace.pause(scored * SCORING_S, 0.0)
    assert 2 * burst < busy <= 0.4


def test_nothing_published_is_no_reason_to_hurry():
    """A publication that could not begin, as in a rebalance, is tried again after half an interval."""
    pace = Pace(0.1)
    assert pace.pause(0.0, 0.0) == 0.05


def test_rows_do_not_hold_scores_up():
    """What a commit spends on rows does not count as other work: they are patient."""
    pace = Pace(0.1)
    work(0.3)  # of which 0.05 were scores, and the rest rows
    assert pace.pause(SCORING_S, 0.25) < 0.05
