"""The view role: keeps accounts in Redis as the compacted `scores` topic tells them.

It reads all partitions without a group: how far it has come stands in Redis beside the rows, written in the
same transaction. The order of the log decides, as it does for compaction: the last record of an account is
the account, whatever its version (a worker that crashed before its rows were written counts on from a lower one).

While Redis is away it waits. A view that is gone or cannot be continued is built anew from the beginning of the
topic, beside the one that readers see, and takes its place when it is complete.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, UnknownTopicOrPartitionError
from prometheus_client import CollectorRegistry
from redis.exceptions import RedisError, ResponseError

from scoring.times import HOUR, UNSET
from streams.acls import Role
from streams.answers import Answers
from streams.clock import wall_ms
from streams.delivery_log import connect, refusal
from streams.kafka_clients import client_arguments
from streams.own_records import is_own
from streams.probes import ProbeServer, Readiness
from streams.rights import expect_rights, expect_rights_still
from streams.settings import Settings
from streams.topics import Purpose, partition_counts
from streams.view_metrics import Fate, Metrics, Reason
from streams.view_rows import Row, row_of
from streams.view_store import (
    Batch,
    Found,
    Generation,
    Pulse,
    SupersededError,
    ViewStore,
    is_readable,
)

POLL_MS: Final = 200
SWEEP_MS: Final = 10
"""Pause between the steps of a deletion while no record comes."""
BEAT_S: Final = 1.0
FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 5.0
TOMBSTONE_MS: Final = 23 * HOUR
"""After a day (`delete.retention.ms`) a topic may forget that an account was deleted."""
"""Characters of what Redis says that are told."""
logger = structlog.get_logger(__name__)


class ViewRole:
    """Follows the scores topic; see the module."""

    def __init__(self, settings: Settings, registry: CollectorRegistry, *, rebuild: bool = False) -> None:
        """`rebuild` begins with a new view, whatever is there."""
        self._settings = settings
        self._store = ViewStore(connect(settings.redis), settings.redis.prefix)
        self._metrics = Metrics(registry)
        self._wanted = Reason.REQUESTED if rebuild else None
        self._topic = settings.topic_prefix + Purpose.SCORES
        self._consumer = AIOKafkaConsumer(
            **client_arguments(settings.kafka),
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=settings.kafka.fetch_bytes,
            fetch_max_wait_ms=settings.kafka.fetch_wait_ms,
            request_timeout_ms=int(settings.kafka.request_timeout * 1000),
        )
        self._answers = Answers(settings.kafka)
        self._answers.listen(self._consumer._client, "consumer")  # noqa: SLF001 - no public way to its answers
        self._partitions: list[TopicPartition] = []
        self._ends: dict[int, int] = {}
        self._generation: Generation | None = None
        self._shown = False
        """Whether readers have a view to read."""
        self._away: str | None = "the view has not been loaded yet"
        self._next_beat = 0.0
        self._wait = FIRST_WAIT_S

    async def run(self, stop: asyncio.Event, *, once: bool = False) -> None:
        """Follows until `stop`; with `once`, only until everything that was there at the start is in the view.

        Raises:
            KafkaError: At the start: Kafka cannot be reached, or the topic does not exist.
            RefusedError: Brokers do not take our password or certificate any more.
            MissingRightsError: The brokers do not allow what it does, or not any more.
        """
        try:
            await self._start()
            async with self._answers.watched():
                while not await self._tried(stop, once=once) and not stop.is_set():
                    pass
        finally:
            # without a broker the consumer may raise anything, that of its own cancelled fetching included
            await asyncio.gather(self._consumer.stop(), self._store.close(), return_exceptions=True)

    async def _tried(self, stop: asyncio.Event, *, once: bool) -> bool:
        """Follow until it is over, which is told, or until something fails."""
        try:
            await self._open()
            await self._follow(stop, once=once)
        except SupersededError:
            logger.info("view_superseded")
            await _pause(stop, FIRST_WAIT_S)
        except OffsetOutOfRangeError:
            self._wanted = Reason.TOPIC
        except (RedisError, KafkaError, OSError) as error:
            if isinstance(error, KafkaError):
                await expect_rights_still(self._settings, Role.VIEW)
            self._lose(error)
            await _pause(stop, self._wait)
            self._wait = min(2 * self._wait, LONGEST_WAIT_S)
        else:
            return True
        return False

    def readiness(self) -> Readiness:
        """Ready once readers have a view to read; a rebuild beside it does not matter."""
        reasons = self._answers.silence() + ([] if self._away is None else [self._away])
        if self._away is None and not self._shown:
            reasons.append(f"the first view is being built, {self._lag()} records left")
        return Readiness(
            ready=not reasons, reasons=reasons, partitions=[tp.partition for tp in self._partitions]
        )

    async def _start(self) -> None:
        await expect_rights(self._settings, Role.VIEW)
        count = (await partition_counts(self._settings)).get(self._topic)
        if count is None:
            raise UnknownTopicOrPartitionError(f"{self._topic} does not exist: accountpulse topics create")
        self._partitions = [TopicPartition(self._topic, number) for number in range(count)]
        await self._consumer.start()
        self._consumer.assign(self._partitions)

    async def _open(self) -> None:
        """Find the view to continue, or begin a new one; then read on from where it ends."""
        starts = _by_number(await self._consumer.beginning_offsets(self._partitions))
        self._ends = _by_number(await self._consumer.end_offsets(self._partitions))
        found = await self._store.load()
        written = found.building if found.building_id else found.current
        if reason := self._wanted or self._fault(found, written, starts):
            written = await self._store.begin(found, starts, self._ends, wall_ms())
            self._metrics.rebuilds.labels(reason).inc()
            logger.info(
                "view_rebuild", reason=reason, records=sum(self._ends.values()) - sum(starts.values())
            )
        assert written is not None  # noqa: S101 - a view without fault is there
        self._wanted, self._shown = None, found.current_id is not None
        self._generation, self._next_beat = written, 0.0
        self._tell_age()
        for tp in self._partitions:
            self._consumer.seek(tp, written.positions[tp.partition])

    def _fault(self, found: Found, written: Generation | None, starts: dict[int, int]) -> Reason | None:
        """Why this view cannot be continued."""
        name = found.building_id or found.current_id
        if written is None:
            return Reason.LAYOUT if name and not is_readable(name) else Reason.EMPTY
        if written.positions.keys() != self._ends.keys():
            return Reason.TOPIC
        if any(not starts[n] <= at <= self._ends[n] for n, at in written.positions.items()):
            return Reason.TOPIC
        missed = written.positions != self._ends
        if missed and (found.pulse is None or wall_ms() - found.pulse.at > TOMBSTONE_MS):
            return Reason.AWAY
        return None

    async def _follow(self, stop: asyncio.Event, *, once: bool) -> None:
        goal, sweeping = dict(self._ends), True
        while not stop.is_set() and self._generation:
            wait = SWEEP_MS if sweeping else POLL_MS
            batches = await self._consumer.getmany(timeout_ms=wait, max_records=self._settings.view.batch)
            records = [record for some in batches.values() for record in some]
            positions = {tp.partition: await self._consumer.position(tp) for tp in self._partitions}
            if positions != self._generation.positions:
                self._generation = await self._store.apply(self._generation, self._batch(records, positions))
                self._tell_age()
            if self._generation.targets and self._generation.complete:
                self._generation = await self._store.swap(self._generation)
                self._shown = True
                logger.info("view_complete", records=sum(positions.values()))
            await self._beat()
            sweeping = await self._store.sweep()
            if once and not sweeping and all(positions[n] >= end for n, end in goal.items()):
                return

    def _batch(self, records: Iterable[Any], positions: dict[int, int]) -> Batch:
        rows: dict[str, Row | None] = {}
        as_of = written = UNSET
        for record in records:
            fate = _take(record.key, record.value, rows)
            self._metrics.records.labels(fate).inc()
            if fate is Fate.INVALID:
                logger.warning("view_record_invalid", partition=record.partition, offset=record.offset)
            if fate is Fate.APPLIED:
                written = max(written, record.timestamp)
        as_of = max((row.as_of for row in rows.values() if row), default=UNSET)
        return Batch(rows, positions, as_of, written)

    async def _beat(self) -> None:
        """Every second: a sign of life, and whether everything is still there."""
        if time.monotonic() < self._next_beat or self._generation is None:
            return
        lag = self._lag()
        self._metrics.lag.set(lag)
        bands = await self._store.beat(self._generation, Pulse(wall_ms(), lag))
        for band, count in bands.items():
            self._metrics.accounts.labels(band).set(count)
        self._next_beat = time.monotonic() + BEAT_S
        if self._away:  # it reads and writes again
            logger.info("view_follows", generation=self._generation.id, lag=lag)
            self._away, self._wait = None, FIRST_WAIT_S
            self._metrics.redis.set(1)

    def _lag(self) -> int:
        """Records between the view and the end of the topic, as far as that is known."""
        if self._generation is None:
            return 0
        at = self._generation.positions
        ends = {tp.partition: self._consumer.highwater(tp) or 0 for tp in self._partitions}
        return sum(max(ends[n], self._ends[n]) - at[n] for n in ends)

    def _tell_age(self) -> None:
        generation = self._generation
        if generation is None or generation.newest_written == UNSET:
            return
        self._metrics.age.labels("stream").set_function(lambda: _age(generation.newest_as_of))
        self._metrics.age.labels("wall").set_function(lambda: _age(generation.newest_written))

    def _lose(self, error: Exception) -> None:
        """Say once who is away or refuses; an answer that comes too late counts as none."""
        away = "Kafka is away" if isinstance(error, KafkaError) else "Redis is away"
        if isinstance(error, ResponseError):
            away = f"Redis refuses: {refusal(error)}"
        if self._away != away:
            logger.warning("view_waits", reason=away, error=type(error).__name__)
        self._away = away
        self._metrics.redis.set(isinstance(error, KafkaError))


def _take(key: bytes | None, value: bytes | None, rows: dict[str, Row | None]) -> Fate:
    """Put one record into `rows`."""
    if key is None or is_own(key):
        return Fate.MARKER
    try:
        rows[key.decode()] = None if value is None else row_of(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Fate.INVALID
    return Fate.DELETED if value is None else Fate.APPLIED


def _by_number(offsets: dict[TopicPartition, int]) -> dict[int, int]:
    return {tp.partition: offset for tp, offset in offsets.items()}


def _age(since: int) -> float:
    return math.nan if since == UNSET else (wall_ms() - since) / 1000


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


@contextlib.asynccontextmanager
async def probes(
    settings: Settings, role: ViewRole, registry: CollectorRegistry
) -> AsyncIterator[ProbeServer]:
    """Serves /live, /ready and /metrics of the role. Raises OSError if the port is taken."""
    server = ProbeServer(role.readiness, registry)
    await server.start(settings.probes.host, settings.probes.port)
    try:
        yield server
    finally:
        await server.close()
