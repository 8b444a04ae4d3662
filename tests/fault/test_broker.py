"""A broker that dies or stands still under load."""

from __future__ import annotations

import asyncio
import random

import pytest

from streams.servers.kafka import KafkaServer
from tests.fault.feeds import Feeds
from tests.fault.harness import ONE_SEED, SEEDS, fault_run
from tests.fault.verdict import assert_exact

pytestmark = pytest.mark.timeout(420)


async def outage(server: KafkaServer, kind: str, seconds: float) -> None:
    """Kill or freeze the broker, and bring it back."""
    await asyncio.to_thread(server.kill if kind == "kill" else server.pause)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(server.restart if kind == "kill" else server.resume)


@pytest.mark.parametrize("seed", SEEDS)
async def test_short_outages(own_kafka, topic_prefix, tmp_path, seed, report):
    """A broker killed for 1 s and for 10 s under load: every worker lives on, and nothing differs."""
    chance = random.Random(seed)
    async with fault_run(own_kafka.bootstrap, topic_prefix, tmp_path) as run:
        workers = await run.start_ready(2)
        feeds = Feeds(run, seed)
        async with run.watched(), feeds.flowing():
            for seconds in (1, 10):
                await asyncio.sleep(chance.uniform(2, 4))
                await outage(own_kafka, "kill", seconds)
                await run.all_ready()
        assert run.gap >= 10
        assert [worker.process.poll() for worker in workers] == [None, None], run.logs()
        await assert_exact(run, feeds, report)


@pytest.mark.parametrize("seed", ONE_SEED)
@pytest.mark.parametrize(("kind", "seconds"), [("kill", 60), ("pause", 20)])
async def test_long_outages(own_kafka, topic_prefix, tmp_path, kind, seconds, seed, report):
    """A broker away for longer than the write deadline, or standing still: workers go on by themselves, or end with an error and are started again."""
    async with fault_run(own_kafka.bootstrap, topic_prefix, tmp_path) as run:
        await run.start_ready(2)
        feeds = Feeds(run, seed)
        async with run.watched(restart=True), feeds.flowing():
            await asyncio.sleep(random.Random(seed).uniform(2, 4))
            await outage(own_kafka, kind, seconds)
            await asyncio.sleep(2)
        await run.finished(120)
        assert run.gap >= seconds
        assert 0 not in run.deaths
        await assert_exact(run, feeds, report)
