"""What a worker looks at before it joins its group: once it is a member, leaving again would disturb the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import OffsetAndMetadata
from aiokafka.structs import TopicPartition as KafkaTP

from scoring.events import SOURCES
from streams.kafka_clients import client_arguments, committed_offsets
from streams.settings import Settings
from streams.table import Partition
from streams.topics import Purpose


class StateLostError(Exception):
    """The changelog is empty, although the group has read for it: its accounts would begin anew in mid-log."""


async def expect_state(settings: Settings, make: Callable[[int], Partition]) -> None:
    """Whether this release can go on from what the group and the changelog hold.

    Raises what a state raises about committed metadata that it cannot read (a release that is too old must not join,
    and leave), StateLostError, KafkaError.
    """
    committed, empty = await asyncio.gather(
        committed_offsets(settings.kafka, input_partitions(settings)), _empty_changelogs(settings)
    )
    for number in range(settings.kafka.partitions):
        state = make(number)
        for source, name in enumerate(SOURCES):
            position = committed.get(KafkaTP(settings.topic_prefix + name, number))
            state.resume(source, position.metadata if position else "")
    if lost := lost_state(settings, committed, empty):
        raise StateLostError(lost[0])


def input_partitions(settings: Settings) -> list[KafkaTP]:
    """All partitions of all inputs."""
    return [
        KafkaTP(settings.topic_prefix + name, number)
        for number in range(settings.kafka.partitions)
        for name in SOURCES
    ]


async def _empty_changelogs(settings: Settings) -> set[int]:
    consumer = AIOKafkaConsumer(
        **client_arguments(settings.kafka), enable_auto_commit=False,
        request_timeout_ms=int(settings.kafka.request_timeout * 1000),
    )  # fmt: skip
    try:
        await consumer.start()
        return await empty_changelogs(consumer, settings, settings.kafka.partitions)
    finally:
        await consumer.stop()


async def empty_changelogs(consumer: AIOKafkaConsumer, settings: Settings, partitions: int) -> set[int]:
    """Partition numbers of `state` that hold no record: not even that of a worker that took them over."""
    tps = [KafkaTP(settings.topic_prefix + Purpose.STATE, number) for number in range(partitions)]
    begins, ends = await asyncio.gather(consumer.beginning_offsets(tps), consumer.end_offsets(tps))
    return {tp.partition for tp in tps if begins[tp] == ends[tp]}


def lost_state(
    settings: Settings, committed: Mapping[KafkaTP, OffsetAndMetadata], empty: set[int]
) -> list[str]:
    """What is wrong with partitions of which the group has read inputs, by this program, and no row is left.

    Offsets without metadata were put there by hand, as by whoever wants to begin at the end of the inputs.
    """
    state = settings.topic_prefix + Purpose.STATE
    return [
        f"{state}[{tp.partition}] holds nothing, but {tp.topic} was read up to {position.offset}"
        for tp, position in committed.items()
        if position.metadata and tp.partition in empty
    ]
