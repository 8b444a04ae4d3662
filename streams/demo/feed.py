"""The events of the fleet to the input topics, in time order and at an even pace of event time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from aiokafka import AIOKafkaProducer

from streams.cli.produce import route
from streams.kafka_clients import client_arguments
from streams.partitioner import partition_of
from streams.settings import Settings

_BURST_S: Final = 0.05


async def produce(
    settings: Settings,
    events: Sequence[tuple[int, bytes]],
    *,
    seconds: float,
    on_day: Callable[[int], None],
) -> None:
    """Send (time, line) pairs over about `seconds`; `on_day` is told the event time reached, in milliseconds.

    Raises aiokafka.errors.KafkaError.
    """
    first, span = events[0][0], max(events[-1][0] - events[0][0], 1)
    started, sent = time.monotonic(), 0
    partitions = settings.kafka.partitions
    async with AIOKafkaProducer(
        **client_arguments(settings.kafka),
        enable_idempotence=True,
        linger_ms=10,
        max_batch_size=1 << 17,
        compression_type="zstd",
    ) as producer:
        while sent < len(events):
            reached = first + span * (time.monotonic() - started) / seconds
            futures = []
            while sent < len(events) and events[sent][0] <= reached:
                line = events[sent][1]
                source, key = route(line)
                topic = settings.topic_prefix + source
                where = partition_of(key, partitions)
                futures.append(await producer.send(topic, line, key=key, partition=where))
                sent += 1
            if futures:
                await asyncio.gather(*futures)
                on_day(events[sent - 1][0])
            await asyncio.sleep(_BURST_S)
