"""Schedules of crashes, zombies, broken writes and half-written flushes: nothing ever differs; planted bugs are found."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest

from tests.simulation import bugs
from tests.simulation.schedule import simulate
from tests.simulation.worker import Share

FIRST = int(os.environ.get("ACCOUNTPULSE_TEST_SEED", "0"))
SEEDS = int(os.environ.get("ACCOUNTPULSE_TEST_SIMULATIONS", "120"))
BLOCK = 20
FAULTS = (
    "crash in a flush", "taken over", "refused write", "broken write", "replayed", "commit and publication at a time",
    "fed under a tick",
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flush gives way when the scheduler says so, not when 5 ms are over."""
    monkeypatch.setattr("streams.flush.Turn", Share)
    monkeypatch.setattr("streams.pipeline._SCORES", 1)  # or all accounts would be one block
    monkeypatch.setattr("streams.ticking._SLICE", 1)  # and one slice


@pytest.mark.timeout(600)
@pytest.mark.parametrize("block", range(SEEDS // BLOCK))
def test_no_schedule_changes_anything(block: int) -> None:
    """Rows rebuilt from the changelog, tick lines and alerts are those of a run in which nothing ever failed, and every fault bit."""
    seen: Counter[str] = Counter()
    for seed in range(FIRST + block * BLOCK, FIRST + (block + 1) * BLOCK):
        result = simulate(seed)
        assert not result.differences, f"seed {seed}: " + "\n".join(result.differences[:20])
        seen += result.seen
    print(f"seeds from {FIRST + block * BLOCK}: {dict(seen)}")
    for fault in FAULTS:
        assert seen[fault], f"no {fault} in {BLOCK} seeds: {seen}"


def test_a_seed_replays_exactly() -> None:
    """The same seed meets the same faults equally often and leaves the same rows."""
    first, again = simulate(FIRST + 8), simulate(FIRST + 8)
    assert (first.seen, first.differences) == (again.seen, again.differences)


PLANTED: dict[str, dict[str, Any]] = {
    "offsets are committed before the rows are acknowledged": {"flush": bugs.CommitsBeforeAcknowledgement},
    "rows are written before the scores they tell of": {"flush": bugs.WritesRowsBeforeTheirScores},
    "alerts are told after their rows": {"flush": bugs.TellsAlertsAfterTheirRows},
    "scores are published while others are": {"flush": bugs.PublishesAtAnyTime},
    "no epoch fence": {"fenced": False},
    "no offset fence": {"plant": bugs.no_offset_fence},
    "who follows a tick is folded before it was evaluated": {"plant": bugs.folds_before_the_tick},
    "the clock goes on from the newest row": {"plant": bugs.clock_of_the_newest_row},
}
"""What `simulate` is given."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bug", PLANTED)
def test_finds_a_planted_bug(bug: str) -> None:
    """Each known bug is found within 1,000 seeds, and the seed that found it finds it again."""
    planted = PLANTED[bug]
    found = next((result for seed in range(1000) if (result := simulate(seed, **planted)).differences), None)
    assert found is not None, "not found"
    print(f"{bug}: seed {found.seed}")
    assert simulate(found.seed, **planted).differences == found.differences
    assert not simulate(found.seed).differences, "the seed fails without the bug, too"
