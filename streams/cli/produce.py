"""`accountpulse produce`: events from files to the input topics, by type, in order per account."""

from __future__ import annotations

import asyncio
import gzip
import io
import sys
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, UnknownTopicOrPartitionError
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from scoring.events import SOURCES
from streams.acls import Role
from streams.cli.output import ExitCode, complain, emit_json, emit_table
from streams.kafka_clients import client_arguments
from streams.partitioner import partition_of
from streams.replay import SOURCE_OF
from streams.rights import expect_rights
from streams.settings import Settings
from streams.topics import partition_counts

SOURCE_OF_TYPE: Final[Mapping[str, str]] = {name: SOURCES[source] for name, source in SOURCE_OF.items()}
"""Event type to the topic it is produced to; replay sorts files by the same table."""
UNKNOWN_TYPE_SOURCE: Final = "usage"
"""Where an event of unknown type goes: the worker makes it a dead letter with a reason."""
CHUNK_BYTES: Final = 1 << 16


class _Keyed(msgspec.Struct):
    account_id: str


class _Typed(_Keyed):
    type: str = ""


_decode_typed = msgspec.json.Decoder(_Typed).decode
_decode_keyed = msgspec.json.Decoder(_Keyed).decode


@dataclass
class Produced:
    """What became of the lines: acknowledged records per topic, lines left out per reason."""

    sent: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)


def route(line: bytes) -> tuple[str, bytes]:
    """The source and the message key of one event line.

    Raises msgspec.DecodeError (also as ValidationError) if the line has no `account_id` to send it by.
    """
    try:
        head = _decode_typed(line)
    except msgspec.ValidationError:
        return UNKNOWN_TYPE_SOURCE, _decode_keyed(line).account_id.encode()
    return SOURCE_OF_TYPE.get(head.type, UNKNOWN_TYPE_SOURCE), head.account_id.encode()


class Sender:
    """Sends lines through one idempotent producer; the first write that fails ends the run."""

    def __init__(self, settings: Settings, on_skip: Callable[[str, int, str], None]) -> None:
        """`on_skip` is told file name, line number and reason of every line that cannot be sent."""
        self.result = Produced()
        self._settings = settings
        self._on_skip = on_skip
        self._topics: dict[str, tuple[str, int]] = {}
        self._failure: BaseException | None = None

    async def run(self, files: list[Path], *, rate: float | None, on_progress: Callable[[int], None]) -> None:
        """Send all files in order, at most `rate` events a second; `on_progress` is told the lines so far.

        Raises aiokafka.errors.KafkaError, or OSError (of a file, or the network).
        """
        self._topics = await self._input_topics()
        started, count = time.monotonic(), 0
        kafka = self._settings.kafka
        async with AIOKafkaProducer(
            **client_arguments(kafka),
            enable_idempotence=True,
            linger_ms=5,
            max_batch_size=1 << 18,
            request_timeout_ms=int(kafka.request_timeout * 1000),
        ) as producer:
            for path in files:
                async for number, line in read_lines(path):
                    await self._send(producer, path, number, line)
                    count += 1
                    if rate and (ahead := count / rate - (time.monotonic() - started)) > 0.005:
                        await asyncio.sleep(ahead)
                    if count % 1000 == 0:
                        on_progress(count)
            await producer.flush()
        on_progress(count)
        self._raise_failure()

    async def _input_topics(self) -> dict[str, tuple[str, int]]:
        await expect_rights(self._settings, Role.PRODUCER)
        counts = await partition_counts(self._settings)
        names = {source: self._settings.topic_prefix + source for source in SOURCES}
        if missing := [name for name in names.values() if name not in counts]:
            raise UnknownTopicOrPartitionError(f"no topic {', '.join(missing)}: accountpulse topics create")
        return {source: (name, counts[name]) for source, name in names.items()}

    async def _send(self, producer: AIOKafkaProducer, path: Path, number: int, line: bytes) -> None:
        self._raise_failure()
        try:
            source, key = route(line)
            topic, partitions = self._topics[source]
            future = await producer.send(topic, line, key=key, partition=partition_of(key, partitions))
        except msgspec.DecodeError as error:
            self._skip(path, number, "no account_id", str(error))
        except MessageSizeTooLargeError:
            self._skip(path, number, "too large", f"{len(line)} bytes")
        else:
            future.add_done_callback(lambda done: self._settled(topic, done))

    def _skip(self, path: Path, number: int, reason: str, detail: str) -> None:
        self.result.skipped[reason] += 1
        self._on_skip(str(path), number, f"{reason} ({detail})")

    def _settled(self, topic: str, done: asyncio.Future[object]) -> None:
        if done.cancelled() or (error := done.exception()) is None:
            self.result.sent[topic] += not done.cancelled()
        elif self._failure is None:
            self._failure = error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


async def read_lines(path: Path) -> AsyncIterator[tuple[int, bytes]]:
    """Numbered lines (from 1) of a plain or .gz file, or of standard input (`-`); blank ones are left out.

    Lines are handed on as they come: a live pipe is not held back. Raises OSError, for a damaged .gz too.
    """
    with _open(path) as stream:
        carry, number = b"", 0
        while chunk := await asyncio.to_thread(_read, stream, path):
            *lines, carry = (carry + chunk).split(b"\n")
            for line in lines:
                number += 1
                if stripped := line.strip():
                    yield number, stripped
        if stripped := carry.strip():
            yield number + 1, stripped


def _read(stream: io.BufferedIOBase, path: Path) -> bytes:
    try:
        return stream.read1(CHUNK_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise OSError(f"{path}: {error}") from error


def _open(path: Path) -> io.BufferedIOBase:
    if str(path) == "-":
        return io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False))
    return gzip.GzipFile(path) if path.suffix == ".gz" else path.open("rb")


def _existing(path: Path) -> Path:
    if str(path) != "-" and not path.exists():
        raise typer.BadParameter(f"{path} does not exist")
    return path


def produce(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="NDJSON, plain or .gz; - is standard input.",
            metavar="FILE...",
            callback=lambda files: [_existing(path) for path in files],
        ),
    ],
    rate: Annotated[float | None, typer.Option(min=0.001, help="At most this many events a second.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Send events from files to the input topics, in order per account; exits 1 if lines were left out."""
    sender = Sender(Settings(), _report)
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("events", total=None)
        asyncio.run(
            sender.run(files, rate=rate, on_progress=lambda count: progress.update(task, completed=count))
        )
    result = sender.result
    if json:
        emit_json({"sent": result.sent, "skipped": result.skipped})
    else:
        rows = [{"topic": topic, "records": count} for topic, count in sorted(result.sent.items())]
        emit_table(("topic", "records"), rows, empty="nothing sent")
    if result.skipped:
        complain(f"{result.skipped.total()} lines could not be sent")
        raise typer.Exit(ExitCode.FINDING)


def _report(name: str, number: int, reason: str) -> None:
    complain(f"{name}:{number}: not sent: {reason}")
