"""A group that never comes to rest."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from tests.fault.feeds import Feeds
from tests.fault.harness import SEEDS, FaultRun, fault_run
from tests.fault.verdict import assert_exact

pytestmark = pytest.mark.timeout(420)

STORM_S, EVERY_S = 60, 2


@pytest.mark.parametrize("seed", SEEDS)
async def test_rebalance_storm(kafka, topic_prefix, tmp_path, seed, report):
    """A worker joins or leaves every 2 s for a minute, some by kill -9: commits go on within 30 s, each partition has one owner, nothing differs."""
    chance = random.Random(seed)
    async with fault_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        await run.start_ready(3)
        feeds = Feeds(run, seed)
        async with run.watched(), feeds.flowing(40):
            await storm(run, chance)
            before, began = sum((await run.committed_records()).values()), time.monotonic()
            await until_committed(run, before, 30)
            report(first_commit_after_s=round(time.monotonic() - began, 1))
        generations = [note["generation"] for note in run.notes("generation")]
        assert max(generations) - min(generations) >= 10
        await assert_exact(run, feeds, report)


async def storm(run: FaultRun, chance: random.Random) -> None:
    """Join or leave, between two and four workers at a time."""
    until_then = time.monotonic() + STORM_S
    while time.monotonic() < until_then:
        await asyncio.sleep(EVERY_S)
        members = run.alive
        if len(members) < 3 or (len(members) < 4 and chance.random() < 0.5):
            run.start()
        elif chance.random() < 0.2:
            run.kill(chance.choice(members))
        else:
            chance.choice(members).process.terminate()


async def until_committed(run: FaultRun, before: int, seconds: float) -> None:
    """Wait for the next commit."""
    deadline = time.monotonic() + seconds
    while sum((await run.committed_records()).values()) <= before:
        assert time.monotonic() < deadline, f"no commit for {seconds:.0f} s\n{run.logs()}"
        await asyncio.sleep(0.2)
