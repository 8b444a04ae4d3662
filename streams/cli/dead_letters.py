"""`accountpulse dead-letters list`: what was rejected, where, and why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from streams.acls import Role
from streams.cli.output import emit_json, emit_table
from streams.dead_letters import DeadLetter, decode
from streams.kafka_clients import client_arguments
from streams.own_records import is_own
from streams.rights import expect_rights
from streams.settings import Settings
from streams.topics import Purpose, partition_counts

HEAD_CHARACTERS = 60
COLUMNS = ("time", "topic", "partition", "offset", "reason", "detail", "key", "value")

dead_letters = typer.Typer(help="Show rejected records with place and reason.", add_completion=False)


@dead_letters.callback(no_args_is_help=True)
def main() -> None:
    """Show rejected records with place and reason."""


@dead_letters.command(name="list")
def list_(
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, the newest.")] = 100,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, with whole values.")] = False,
) -> None:
    """List the newest dead letters, oldest of them first."""
    letters = asyncio.run(_newest(Settings(), reason, limit))
    if json:
        emit_json(letters)
        return
    emit_table(COLUMNS, [_row(letter) for letter in letters], empty="no dead letters")


def _row(letter: DeadLetter) -> dict[str, object]:
    time = datetime.fromtimestamp(letter.timestamp / 1000, UTC).isoformat(timespec="milliseconds")
    head = (letter.value or "")[:HEAD_CHARACTERS]
    return {**msgspec.structs.asdict(letter), "time": time, "value": head}


async def _newest(settings: Settings, reason: str | None, limit: int) -> list[DeadLetter]:
    """The newest matching dead letters by time of the rejected record, ascending."""
    letters: list[DeadLetter] = []
    async for letter in read_all(settings):
        if reason is None or letter.reason == reason:
            letters.append(letter)
        if len(letters) > 10_000 + limit:
            letters = sorted(letters, key=lambda found: found.timestamp)[-limit:]
    return sorted(letters, key=lambda found: found.timestamp)[-limit:]


async def read_all(settings: Settings) -> AsyncIterator[DeadLetter]:
    """Every dead letter from the beginning of the topic up to its present end, per partition in order.

    Raises aiokafka.errors.KafkaError, MissingRightsError or OSError; UnknownTopicOrPartitionError if there is no topic.
    """
    await expect_rights(settings, Role.READER)
    name = settings.topic_prefix + Purpose.DEAD_LETTERS
    count = (await partition_counts(settings)).get(name)
    if count is None:
        raise UnknownTopicOrPartitionError(f"{name} does not exist: accountpulse topics create")
    async with AIOKafkaConsumer(
        **client_arguments(settings.kafka), enable_auto_commit=False, auto_offset_reset="earliest"
    ) as consumer:
        partitions = [TopicPartition(name, number) for number in range(count)]
        ends = await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in (each for each in records if not is_own(each.key)):
                    yield _letter(
                        record.topic, record.partition, record.offset, record.timestamp, record.value
                    )


def _letter(topic: str, partition: int, offset: int, timestamp: int, value: bytes | None) -> DeadLetter:
    """The dead letter a record holds; one that holds none is shown as what it is."""
    try:
        return decode(value or b"")
    except msgspec.DecodeError as error:
        return DeadLetter.of(
            topic=topic, partition=partition, offset=offset, timestamp=timestamp,
            reason="unreadable_dead_letter", detail=str(error), key=None, value=value,
        )  # fmt: skip
