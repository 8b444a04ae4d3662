"""The events of the fleet to the input topics, in the order they are sent, at a pace of event time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from aiokafka import AIOKafkaProducer

from scoring.times import DAY
from streams.cli.produce import route
from streams.kafka_clients import client_arguments
from streams.partitioner import partition_of
from streams.settings import Settings

_BURST_S: Final = 0.05
_SLOWLY_S: Final = 1.0
"""What a day takes in slow motion."""
AHEAD: Final = 8_000
"""The feed waits when the workers are so many events behind: what is shown stays close to what is fed."""
_AHEAD_SLOWLY: Final = 1_500
"""In slow motion nearly everything that was fed has to be scored."""


async def produce(
    settings: Settings,
    events: Sequence[tuple[int, bytes]],
    *,
    seconds: float,
    on_sent: Callable[[int], None],
    slowly: tuple[int, int] = (0, 0),
    behind: Callable[[], int] = lambda: 0,
) -> None:
    """Send (time, line) pairs over about `seconds`; `on_sent` is told how many were acknowledged.

    The event time between the two of `slowly` is told in slow motion; `behind` tells how many events the workers lag.

    Raises aiokafka.errors.KafkaError.
    """
    first, last = events[0][0], events[-1][0]
    pace = max(last - first, 1) / seconds
    reached, now, sent = float(first), time.monotonic(), 0
    async with AIOKafkaProducer(
        **client_arguments(settings.kafka),
        enable_idempotence=True,
        linger_ms=10,
        max_batch_size=1 << 17,
        compression_type="zstd",
    ) as producer:
        while sent < len(events):
            before, now = now, time.monotonic()
            slow = slowly[0] <= reached < slowly[1]
            if behind() < (_AHEAD_SLOWLY if slow else AHEAD):
                reached += (now - before) * (DAY / _SLOWLY_S if slow else pace)
            burst = []
            while sent < len(events) and events[sent][0] <= reached:
                burst.append(await _send(producer, settings, events[sent][1]))
                sent += 1
            if burst:
                await asyncio.gather(*burst)
                on_sent(sent)
            await asyncio.sleep(_BURST_S)


async def _send(producer: AIOKafkaProducer, settings: Settings, line: bytes) -> asyncio.Future[object]:
    """Hand one event over; the result is its acknowledgement."""
    source, key = route(line)
    where = partition_of(key, settings.kafka.partitions)
    future: asyncio.Future[object] = await producer.send(
        settings.topic_prefix + source, line, key=key, partition=where
    )
    return future
