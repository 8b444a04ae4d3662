"""Three brokers: leaders that die and have successors, and writes that too few replicas could take."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter

import pytest
from aiokafka.errors import KafkaError

from tests.fault.cluster import in_sync, replicas, replicated_run
from tests.fault.feeds import Feeds
from tests.fault.harness import ONE_SEED, FaultRun
from tests.fault.verdict import assert_exact
from tests.plumbing.worker_group import PARTITIONS

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
                await led_by_others(run, victim)
                await asyncio.to_thread(cluster.nodes[victim].restart)
                await in_sync(run)
        assert [worker.process.poll() for worker in workers] == [None, None], run.logs()
        await assert_exact(run, feeds, report)


async def led_by_others(run: FaultRun, victim: int, timeout: float = 30.0) -> None:
    """Wait until no part of the changelog is led by a broker that is dead."""
    async with asyncio.timeout(timeout):
        leaders = {victim}
        while victim in leaders:
            await asyncio.sleep(0.5)
            with contextlib.suppress(KafkaError):  # the one asked may be the one that is dead
                leaders = {leader for leader, _ in (await replicas(run, "state")).values()}


@pytest.mark.parametrize("seed", ONE_SEED)
async def test_too_few_replicas(topic_prefix, tmp_path, seed, report):
    """While the changelog has fewer replicas in sync than it demands, its writes are refused: no offset is committed, and nothing is lost."""
    chance = random.Random(seed)
    async with replicated_run(topic_prefix, tmp_path) as (cluster, run):
        await run.alter("state", **{"min.insync.replicas": "3"})
        await run.start_ready(2)
        feeds = Feeds(run, seed)
        async with run.watched(restart=True), feeds.flowing(20):
            # or the offsets of rows that were written before would follow late
            async with asyncio.timeout(60):
                while len(await committed(run)) < PARTITIONS:
                    await asyncio.sleep(0.2)
            await asyncio.sleep(chance.uniform(1, 3))
            victim = chance.choice(sorted(cluster.nodes))
            await asyncio.to_thread(cluster.nodes[victim].kill)
            await asyncio.sleep(5)
            before = await committed(run)
            await asyncio.sleep(5)
            assert await committed(run) == before
            await asyncio.to_thread(cluster.nodes[victim].restart)
            await in_sync(run)
        assert run.errors() & {19, 20}, "no write was refused for want of replicas"
        await assert_exact(run, feeds, report)


async def committed(run: FaultRun, timeout: float = 30.0) -> Counter[int]:
    """Committed records by partition number, as soon as a coordinator that lives says them."""
    async with asyncio.timeout(timeout):
        while True:
            with contextlib.suppress(KafkaError):
                return await run.committed_records()
            await asyncio.sleep(0.5)
