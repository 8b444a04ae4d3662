"""Filling the input topics of a benchmark, and the recount at its end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer

from bench.load import Message
from scoring.events import SOURCES
from scoring.model import default_model
from scoring.state import Store
from streams.context import make_context
from streams.partitioner import partition_of
from streams.pipeline import Partition
from streams.settings import Settings


def fill(settings: Settings, load: Iterable[Message]) -> tuple[int, Counter[bytes]]:
    """Produce a load in order; returns the number of events and the units of usage per account."""
    producer = Producer(
        {"bootstrap.servers": settings.kafka.bootstrap, "compression.type": "lz4", "linger.ms": 20, "batch.size": 400_000,
         "queue.buffering.max.messages": 500_000, "enable.idempotence": True}
    )  # fmt: skip
    topics = [settings.topic_prefix + source for source in SOURCES]
    partitions: dict[bytes, int] = {}
    units: Counter[bytes] = Counter()
    count = 0
    for message in load:
        partition = partitions.get(message.key)
        if partition is None:
            partition = partitions[message.key] = partition_of(message.key, settings.kafka.partitions)
        while True:
            try:
                producer.produce(topics[message.source], message.value, message.key, partition)
                break
            except BufferError:
                producer.poll(0.1)
        units[message.key] += message.quantity
        count += 1
        if count % 5000 == 0:
            producer.poll(0)
    producer.flush(120)
    return count, units


def wrong_accounts(settings: Settings, units: Counter[bytes]) -> int:
    """Accounts whose units of usage, in the rows of the `state` topic, differ from what was produced."""
    found: Counter[bytes] = Counter()
    for number, rows in asyncio.run(_rows(settings)).items():
        partition = Partition(number, make_context(default_model(), tick_ms=60_000, grace_ms=0))
        partition.restore(rows)
        found.update(_units(partition.store))
    return sum(1 for key in units.keys() | found.keys() if units[key] != found[key])


def _units(store: Store) -> dict[bytes, int]:
    return {key: int(store.usage[row].sum()) // 1000 for key, row in store.index.items()}


async def _rows(settings: Settings) -> dict[int, list[tuple[bytes, bytes | None]]]:
    tps = [TopicPartition(settings.topic_prefix + "state", p) for p in range(settings.kafka.partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka.bootstrap)
    await consumer.start()
    rows: dict[int, list[tuple[bytes, bytes | None]]] = {p: [] for p in range(len(tps))}
    try:
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for tp, records in (await consumer.getmany(timeout_ms=500)).items():
                rows[tp.partition] += [(r.key, r.value) for r in records if r.key[:1] != b"\0"]
    finally:
        await consumer.stop()
    return rows
