"""A consumer group that was deleted: its generation counter begins again."""

from __future__ import annotations

import asyncio
import random

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata
from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from tests.fault.feeds import Feeds
from tests.fault.harness import SEEDS, FaultRun, fault_run
from tests.fault.verdict import assert_exact
from tests.plumbing.worker_group import until

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kept", ["restored", "forgotten"])
async def test_group_deleted(kafka, topic_prefix, tmp_path, kept, seed, report):
    """A deleted group whose offsets are put back, with their metadata, goes on exactly; without offsets everything is read again and skipped."""
    chance = random.Random(seed)
    async with fault_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        child = (await run.start_ready(2))[0]
        feeds = Feeds(run, seed)
        async with run.watched(), feeds.flowing():
            for _ in range(2):  # let the counter rise
                await asyncio.sleep(chance.uniform(1, 3))
                await run.stop(child)
                [child] = await run.start_ready(1)
            for child in run.alive:
                run.kill(child)
            highest = max(note["generation"] for note in run.notes("generation"))
            offsets = await run.committed()
            await delete_group(run)
            if kept == "restored":
                await put_back(run, offsets)
            seen = len(run.notes("generation"))
            await run.start_ready(2)
            again = [note["generation"] for note in run.notes("generation")[seen:]]
            assert min(again) < highest, "the counter did not begin again"
            await until(lambda: kept == "restored" or run.replayed > 0, 30, run.logs)
        await assert_exact(run, feeds, report)


async def delete_group(run: FaultRun) -> None:
    """As soon as the coordinator has missed its dead members."""
    group, admin = run.settings.kafka.group, AdminClient({"bootstrap.servers": run.bootstrap})

    def deleted() -> bool:
        error = admin.delete_consumer_groups([group])[group].exception(timeout=10)
        assert error is None or error.args[0].code() == KafkaError.NON_EMPTY_GROUP, error
        return error is None

    await until(deleted, 30)


async def put_back(run: FaultRun, offsets: dict[TopicPartition, tuple[int, str]]) -> None:
    """Commit offsets for a group without members."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=run.bootstrap, group_id=run.settings.kafka.group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign(list(offsets))
        await consumer.commit({tp: OffsetAndMetadata(*each) for tp, each in offsets.items()})
    finally:
        await consumer.stop()
