"""What a worker looks at before it joins its group: once it is a member, leaving again would disturb the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import OffsetAndMetadata
from aiokafka.structs import TopicPartition as KafkaTP

from scoring.events import SOURCES
from streams.clock_metadata import changelog_end
from streams.fence import StateLostError, lost_rows
from streams.kafka_clients import client_arguments, committed_offsets
from streams.settings import Settings
from streams.table import Partition
from streams.topics import Purpose

_LEADERS_MS: Final = 10
"""A consumer without a subscription knows no leaders at first: aiokafka asks, and waits so long before it goes on."""


async def expect_state(settings: Settings, make: Callable[[int], Partition]) -> None:
    """Whether this release can go on from what the group and the changelog hold.

    Raises what a state raises about committed metadata that it cannot read (a release that is too old must not join,
    and leave), StateLostError, KafkaError.
    """
    committed, ends = await asyncio.gather(
        committed_offsets(settings.kafka, input_partitions(settings)), _changelog_ends(settings)
    )
    for number in range(settings.kafka.partitions):
        state = make(number)
        for source, name in enumerate(SOURCES):
            position = committed.get(KafkaTP(settings.topic_prefix + name, number))
            state.resume(source, position.metadata if position else "")
    if lost := lost_state(settings, committed, ends):
        raise StateLostError(lost[0])


def input_partitions(settings: Settings) -> list[KafkaTP]:
    """All partitions of all inputs."""
    return [
        KafkaTP(settings.topic_prefix + name, number)
        for number in range(settings.kafka.partitions)
        for name in SOURCES
    ]


async def _changelog_ends(settings: Settings) -> dict[int, int]:
    consumer = AIOKafkaConsumer(
        **client_arguments(settings.kafka), enable_auto_commit=False,
        request_timeout_ms=int(settings.kafka.request_timeout * 1000),
        retry_backoff_ms=_LEADERS_MS,
    )  # fmt: skip
    try:
        await consumer.start()
        return await changelog_ends(consumer, settings, settings.kafka.partitions)
    finally:
        await consumer.stop()


async def changelog_ends(consumer: AIOKafkaConsumer, settings: Settings, partitions: int) -> dict[int, int]:
    """Where each partition of `state` ends; 0 if it holds no record: not even that of a worker that took it over."""
    tps = [KafkaTP(settings.topic_prefix + Purpose.STATE, number) for number in range(partitions)]
    begins, ends = await asyncio.gather(consumer.beginning_offsets(tps), consumer.end_offsets(tps))
    return {tp.partition: ends[tp] if ends[tp] > begins[tp] else 0 for tp in tps}


def lost_state(
    settings: Settings, committed: Mapping[KafkaTP, OffsetAndMetadata], ends: Mapping[int, int]
) -> list[str]:
    """What is wrong with partitions of which the group has read inputs, by this program, and rows are gone.

    Offsets without metadata were put there by hand, as by whoever wants to begin at the end of the inputs.
    """
    state, lost = settings.topic_prefix + Purpose.STATE, dict[int, str]()
    for tp, position in committed.items():
        end, known = ends.get(tp.partition, 0), changelog_end(position.metadata)
        if position.metadata and not end:
            text = f"{state}[{tp.partition}] holds nothing, but {tp.topic} was read up to {position.offset}"
            lost.setdefault(tp.partition, text)
        elif end < known:
            lost.setdefault(tp.partition, lost_rows(state, tp.partition, end, known))
    return list(lost.values())
