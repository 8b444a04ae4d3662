"""A newer release comes in while workers of both are killed."""

from __future__ import annotations

import asyncio
import random

import pytest

from scoring.row import ROW_VERSION
from tests.fault.feeds import Feeds
from tests.fault.harness import SEEDS, FaultRun, fault_run
from tests.fault.test_kills import POINTS, kill_at
from tests.fault.verdict import assert_exact
from tests.plumbing import newer_release
from tests.plumbing.worker_group import Child

pytestmark = pytest.mark.timeout(300)

NEWER = {"FAULT_RELEASE": "newer"}


@pytest.fixture
def newer_reader(monkeypatch):
    """Lets this process read the rows of both releases."""
    newer_release.install(monkeypatch)


@pytest.mark.parametrize("seed", SEEDS)
async def test_upgraded_by_kills(kafka, topic_prefix, tmp_path, seed, report, newer_reader):
    """Older and newer workers killed at points that chance picks: an older one that is given newer rows ends with 3, and no account differs."""
    chance = random.Random(seed)
    first, second, third = chance.sample(POINTS, 3)
    async with fault_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        one, two = await run.start_ready(2)
        feeds = Feeds(run, seed)
        async with run.watched(), feeds.flowing(30):
            await asyncio.sleep(chance.uniform(1, 3))
            await kill_at(run, one, first)
            await freeze_with_rows(run, two, ROW_VERSION)
            assert await versions(run) == {ROW_VERSION}
            run.thaw(two)
            newer = run.start(**NEWER)
            await run.all_ready()
            await freeze_with_rows(run, newer, newer_release.NEWER)
            run.thaw(newer)
            await kill_at(run, newer, second)
            assert await asyncio.to_thread(two.process.wait, 60) == 3, run.logs()
            victim, _ = run.start(**NEWER), run.start(**NEWER)
            await run.all_ready()
            await kill_at(run, victim, third)
            run.start(**NEWER)
            await run.all_ready()
        report(points=(first, second, third))
        await assert_exact(run, feeds, report)


async def freeze_with_rows(run: FaultRun, worker: Child, version: int) -> None:
    """Let a worker stop itself in a commit, once there are rows of its version: some commits have offsets alone."""
    for _ in range(10):
        await run.freeze_at(worker, "acknowledged")
        if version in await versions(run):
            return
        run.thaw(worker)
    pytest.fail(f"no row of version {version} was written in ten commits")


async def versions(run: FaultRun) -> set[int]:
    """The versions of the rows in the changelog."""
    state = await run.read("state")
    return {record.value[0] for records in state.values() for record in records if record.value}
