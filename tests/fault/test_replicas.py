"""Three brokers: leaders that die and have successors, and writes that too few replicas could take."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.fault.cluster import in_sync, replicas, replicated_run
from tests.fault.feeds import Feeds
from tests.fault.harness import ONE_SEED
from tests.fault.verdict import assert_exact

pytestmark = pytest.mark.timeout(420)


@pytest.mark.parametrize("seed", ONE_SEED)
async def test_leaders_are_killed(topic_prefix, tmp_path, seed, report):
    """Kill -9 of the broker that leads a part of the changelog, three times: others lead on, every worker lives, nothing differs."""
    chance = random.Random(seed)
    async with replicated_run(topic_prefix, tmp_path) as (cluster, run):
        workers = await run.start_ready(2)
        feeds = Feeds(run, seed)
        async with run.watched(), feeds.flowing(20):
            for _ in range(3):
                await asyncio.sleep(chance.uniform(2, 4))
                before = await replicas(run, "state")
                victim = before[chance.choice(sorted(before))][0]
                await asyncio.to_thread(cluster.nodes[victim].kill)
                await asyncio.sleep(5)
                after = await replicas(run, "state")
                assert victim not in {leader for leader, _ in after.values()}
                await asyncio.to_thread(cluster.nodes[victim].restart)
                await in_sync(run)
        assert [worker.process.poll() for worker in workers] == [None, None], run.logs()
        await assert_exact(run, feeds, report)


@pytest.mark.parametrize("seed", ONE_SEED)
async def test_too_few_replicas(topic_prefix, tmp_path, seed, report):
    """While the changelog has fewer replicas in sync than it demands, its writes are refused: no offset is committed, and nothing is lost."""
    chance = random.Random(seed)
    async with replicated_run(topic_prefix, tmp_path) as (cluster, run):
        await run.alter("state", **{"min.insync.replicas": "3"})
        await run.start_ready(2)
        feeds = Feeds(run, seed)
        async with run.watched(restart=True), feeds.flowing(20):
            await asyncio.sleep(chance.uniform(2, 4))
            victim = chance.choice(sorted(cluster.nodes))
            await asyncio.to_thread(cluster.nodes[victim].kill)
            await asyncio.sleep(5)
            before = await run.committed_records()
            await asyncio.sleep(5)
            assert await run.committed_records() == before
            await asyncio.to_thread(cluster.nodes[victim].restart)
            await in_sync(run)
        assert run.errors() & {19, 20}, "no write was refused for want of replicas"
        await assert_exact(run, feeds, report)
