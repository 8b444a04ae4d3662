"""When a commit does not wait for its time: alerts, days of a backlog, what a takeover left; and when it does wait."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from streams.app import Worker


class Setup:
    """The parts of a worker that the decision is about, with one live partition."""

    def __init__(self) -> None:
        self.state = SimpleNamespace(alerts_pending=False, pending=False, held_back=False)
        self.commits = 0
        self.table = SimpleNamespace(live=lambda: {0: self.state}, live_at=time.monotonic() - 60)
        self.intake = SimpleNamespace(catching_up=False)
        self.flush = SimpleNamespace(rested=True, commit=self.commit)
        self._early: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._early.set_result(True)

    async def commit(self) -> bool:
        self.commits += 1
        return True

    async def begins(self) -> bool:
        """Whether a commit begins early."""
        before = self.commits
        Worker._commit_early(self)
        await asyncio.sleep(0)
        await self._early
        return self.commits > before


@pytest.fixture
async def setup() -> Setup:
    return Setup()


async def test_alerts_wait_until_no_partition_ticks(setup):
    """A commit for the sake of alerts covers those of all partitions: it begins when the last one is through its tick."""
    assert not await setup.begins()
    setup.state.alerts_pending, setup.intake.catching_up = True, True
    assert not await setup.begins()
    setup.intake.catching_up = False
    assert await setup.begins()


async def test_busy_worker_does_not_commit_early(setup):
    """Where the last commit is not long ago, for what it took, alerts wait for the next one; days of a backlog do not."""
    setup.state.alerts_pending, setup.flush.rested = True, False
    assert not await setup.begins()
    setup.state.held_back = True
    assert await setup.begins()


async def test_first_events_after_a_takeover_are_committed_at_once(setup):
    """For two seconds after a takeover whatever there is to write begins a commit, also while partitions catch up."""
    setup.state.pending, setup.intake.catching_up = True, True
    assert not await setup.begins()
    setup.table.live_at = time.monotonic()
    assert await setup.begins()
