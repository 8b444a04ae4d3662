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
            await run.freeze_at(two, "acknowledged")  # it wrote rows
            assert await versions(run) == {ROW_VERSION}
            run.thaw(two)
            newer = run.start(**NEWER)
            await run.all_ready()
            await run.freeze_at(newer, "acknowledged")
            assert newer_release.NEWER in await versions(run)
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


async def versions(run: FaultRun) -> set[int]:
    """The versions of the rows in the changelog."""
    state = await run.read("state")
    return {record.value[0] for records in state.values() for record in records if record.value}
