"""Brokers that answer with errors, late, or send the client elsewhere: librdkafka's mock cluster does as it is told.

It knows no fencing and no compaction: that nothing is lost or counted twice under these answers is what is shown here.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from scoring.events import SOURCES
from streams import topics
from streams.servers.embedded import EmbeddedKafka
from streams.servers.process import ServerUnavailableError
from tests.fault.feeds import Feeds
from tests.fault.harness import ONE_SEED, SEEDS, FaultRun
from tests.fault.verdict import assert_exact
from tests.plumbing.worker_group import PARTITIONS

pytestmark = pytest.mark.timeout(420)

PRODUCE, FETCH, COMMIT, COMMITTED, COORDINATOR, JOIN, HEARTBEAT, SYNC, EPOCH = 0, 1, 8, 9, 10, 11, 12, 14, 22
ANSWERS = {
    "writes": {PRODUCE: (5, 6, 7, 19, 20)},
    "reads": {FETCH: (6, 5, 9)},
    "commits": {COMMIT: (14, 15, 16, 7), COMMITTED: (14, 16)},
    "heartbeats": {HEARTBEAT: (15, 16)},
    "joins": {JOIN: (14, 15, 16, 25), SYNC: (14, 16, 22, 25, 27)},
    "takeover": {EPOCH: (14, 15, 16), COORDINATOR: (15,), COMMITTED: (14,)},
}
"""Error codes of the protocol by kind of request: no leader, time-outs, missing replicas, coordinators that moved or load,
members that are unknown, of an old generation, or to join again."""


@dataclass
class MockRun(FaultRun):
    """A run on brokers that do not know of all offsets of a group, only of those asked for."""

    async def committed(self, timeout: float = 40.0) -> dict[TopicPartition, tuple[int, str]]:
        tps = [self.tp(source, partition) for source in SOURCES for partition in range(PARTITIONS)]
        async with self.admin(timeout) as admin, asyncio.timeout(timeout):
            while True:
                with contextlib.suppress(KafkaError):  # it meets what was meant for the workers, too
                    found = await admin.list_consumer_group_offsets(self.settings.kafka.group, partitions=tps)
                    break
        return {tp: (each.offset, each.metadata) for tp, each in found.items()}


@contextlib.asynccontextmanager
async def mock_run(prefix: str, directory: Path) -> AsyncIterator[tuple[EmbeddedKafka, FaultRun]]:
    """Three brokers that obey, and a group of workers on them."""
    run = MockRun("", prefix, directory, session=6.0)
    broker = EmbeddedKafka({spec.name: spec.partitions for spec in topics.topic_specs(run.settings)}, 3)
    try:
        await asyncio.to_thread(broker.start)
    except ServerUnavailableError as error:
        pytest.skip(str(error))
    run.bootstrap = broker.bootstrap
    try:
        yield broker, run
    finally:
        run.close()
        await asyncio.to_thread(broker.close)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ANSWERS)
async def test_errors(topic_prefix, tmp_path, kind, seed, report):
    """Requests of each kind are answered with errors again and again: workers try again or end and are started anew, and nothing differs."""
    chance = random.Random(seed)
    async with mock_run(topic_prefix, tmp_path) as (broker, run):
        [worker] = await run.start_ready(1)
        feeds = Feeds(run, seed, events=3000)
        async with run.watched(restart=True):
            async with feeds.flowing(12):
                for _ in range(2 if kind == "joins" else 6):  # these brokers let each join wait for seconds
                    await asyncio.sleep(chance.uniform(0.5, 1.5))
                    for api, codes in ANSWERS[kind].items():
                        broker.fail(
                            api, *chance.choices(codes, k=chance.randint(2, 3 if kind == "joins" else 6))
                        )
                if kind in ("joins", "takeover"):
                    run.kill(worker)
            await run.finished(200)
        assert run.errors(*ANSWERS[kind]), "the workers met none of the errors"
        report(errors=sorted(run.errors(*ANSWERS[kind])))
        await assert_exact(run, feeds, report)


@pytest.mark.parametrize("seed", ONE_SEED)
async def test_slow_and_moving(topic_prefix, tmp_path, seed, report):
    """Every answer takes 300 ms while leaders and the coordinator move: commits go on, and nothing differs."""
    chance = random.Random(seed)
    async with mock_run(topic_prefix, tmp_path) as (broker, run):
        await run.start_ready(1)
        feeds = Feeds(run, seed, events=3000)
        async with run.watched(restart=True), feeds.flowing(12):
            await asyncio.sleep(2)
            broker.round_trip(300)
            began = time.monotonic()
            await run.committed_records()
            assert time.monotonic() - began > 0.3
            for _ in range(4):
                await asyncio.sleep(chance.uniform(1, 2))
                for name in ("usage", "state", "scores"):
                    broker.lead(run.prefix + name, chance.randrange(PARTITIONS), chance.randint(1, 3))
                broker.coordinate(run.settings.kafka.group, chance.randint(1, 3))
            broker.round_trip(0)
        await run.finished(120)
        assert run.errors(), "nobody was sent elsewhere"
        report(errors=sorted(run.errors()))
        await assert_exact(run, feeds, report)
