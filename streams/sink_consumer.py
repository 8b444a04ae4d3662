"""One sink fed from the alerts topic, in a consumer group of its own.

What is committed is the contiguous prefix of alerts that met their fate: a crash repeats the rest, and the
delivery log drops what of it was sent. A sink that stands still keeps its place in the group.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Collection
from typing import Final

import msgspec
import structlog
from aiokafka import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    TopicPartition,
)
from aiokafka.errors import KafkaConnectionError, KafkaError

from alerts.delivery import HOUR_MS, Deliverer, DeliveryLog
from alerts.model import Alert, decode_alert
from alerts.route import Router
from alerts.sending import Fate, Sender
from alerts.sinks.base import Sink, SinkError
from streams import dead_letters
from streams.acls import Role
from streams.answers import Answers
from streams.clock import wall_ms
from streams.kafka_clients import client_arguments
from streams.notifier_metrics import DELETED, MALFORMED, Metrics, cause
from streams.own_records import is_own
from streams.rights import expect_rights_still
from streams.settings import Settings

MAX_IN_FLIGHT: Final = 2048
"""Alerts of one sink between fetch and fate; those that wait for their group are among them."""
LOUD_S: Final = 30.0
"""Between two errors in the log about credentials that a receiver refuses."""
POLL_S: Final = 0.2
AGAIN_S: Final = 1.0
"""Between two tries to find out where to start."""
COMMIT_S: Final = 1.0
DRAIN_S: Final = 5.0
"""Time for requests under way at shutdown and before a partition is given up."""
_DAY_MS: Final = 24 * HOUR_MS
logger = structlog.get_logger(__name__)


class Prefix:
    """The offsets of one partition under way; knows up to where everything is done."""

    def __init__(self, start: int) -> None:
        """`start` is the first offset to be read."""
        self.position = start
        """Next offset to commit."""
        self._following = start
        self._open: deque[int] = deque()
        self._done: set[int] = set()

    def start(self, offset: int) -> int:
        """Takes up an offset; they come in ascending order. Returns how many before it never came.

        They begin again when the topic is made anew.
        """
        missing, self._following = offset - self._following, offset + 1
        self._open.append(offset)
        return max(missing, 0)

    def finish(self, offset: int) -> None:
        """Marks it as done, in any order."""
        self._done.add(offset)
        while self._open and self._open[0] in self._done:
            done = self._open.popleft()
            self._done.remove(done)
            self.position = done + 1


class SinkConsumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """Feeds one sink from the alerts topic."""

    def __init__(
        self,
        settings: Settings,
        sink: Sink,
        log: DeliveryLog,
        producer: AIOKafkaProducer,
        *,
        answers: Answers,
        metrics: Metrics,
        router: Router | None = None,
    ) -> None:
        self._settings = settings
        self.sink = sink.name
        self.joined = False
        """Whether the group gave it a place, be it without partitions."""
        self._producer = producer
        self._metrics = metrics
        metrics.begin(sink.name)
        self._deliverer = Deliverer(
            sink,
            Sender(sink, on_retry=self._retrying),
            log,
            router=router,
            cold_start_hours=settings.engine.cold_start_hours,
            on_group=metrics.grouped.labels(sink.name).inc,
        )
        self._prefixes: dict[TopicPartition, Prefix] = {}
        self._fresh: set[TopicPartition] = set()
        self._committed: dict[TopicPartition, int] = {}
        self._tasks: dict[asyncio.Task[None], TopicPartition] = {}
        self._room = asyncio.Event()
        """Set when an alert met its fate."""
        self._failure: BaseException | None = None
        self._next_commit = 0.0
        self._next_loud = 0.0
        self._consumer = _consumer(settings, sink.name)
        answers.listen(self._consumer._client, "consumer")  # noqa: SLF001 - no public way to its answers

    async def run(self, stop: asyncio.Event) -> None:
        """Delivers until `stop`; then what is under way gets DRAIN_S seconds, and the prefix is committed.

        Raises:
            KafkaError: A dead letter could not be written, nothing from there on is committed; or no broker answers
                at the end, so nobody knows what is.
        """
        self._consumer.subscribe([f"{self._settings.topic_prefix}alerts"], listener=self)
        try:
            await self._consumer.start()
            while not stop.is_set() and self._failure is None:
                await self._step()
            await self._settle(self._prefixes.keys())
            await self._expect_broker()
        finally:
            for task in self._tasks:
                task.cancel()
            await self._deliverer.close()
            # without a broker it may raise CancelledError, in whose place nobody would see the failure
            await asyncio.gather(self._consumer.stop(), return_exceptions=True)
        if self._failure:
            raise self._failure

    async def _expect_broker(self) -> None:
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._consumer.topics()
        except (KafkaError, TimeoutError) as error:
            raise KafkaConnectionError(
                "no broker answers: what was sent is known, what is committed is not"
            ) from error

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Finishes or abandons what is under way; what is abandoned is read again by the next owner."""
        await self._settle(revoked)
        self._fresh.difference_update(revoked)
        for partition in revoked:
            self._prefixes.pop(partition, None)
            self._committed.pop(partition, None)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Notes them; the loop opens them, since fetching goes on while this callback runs."""
        self.joined = True
        self._fresh.update(assigned)

    async def _open(self) -> None:
        """Starts where the group left off; a sink that is new starts `cold_start_hours` back, not a week."""
        for partition in tuple(self._fresh):
            committed = await self._consumer.committed(partition)
            start = await self._recent(partition) if committed is None else committed
            if partition in self._fresh:
                self._consumer.seek(partition, start)  # also drops what was fetched before
                self._prefixes[partition] = Prefix(start)
                self._fresh.remove(partition)

    async def _recent(self, partition: TopicPartition) -> int:
        since = max(0, wall_ms() - int(self._settings.engine.cold_start_hours * HOUR_MS))
        ends = await self._consumer.end_offsets([partition])  # first: records that come now are kept
        found = (await self._consumer.offsets_for_times({partition: since}))[partition]
        return int(ends[partition] if found is None else found.offset)

    async def _step(self) -> None:
        try:
            await self._open()
        except KafkaError as error:
            await expect_rights_still(self._settings, Role.NOTIFIER)
            logger.warning("start_unknown", sink=self.sink, error=str(error))
            await asyncio.sleep(AGAIN_S)
            return
        free = MAX_IN_FLIGHT - len(self._tasks)
        if free > 0:
            batches = await self._consumer.getmany(timeout_ms=int(POLL_S * 1000), max_records=free)
            for partition, records in batches.items():
                if prefix := self._prefixes.get(partition):
                    for record in records:
                        self._start(partition, prefix, record)
        else:
            self._room.clear()  # `asyncio.wait` would look at every task each time that one ends
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._room.wait(), POLL_S)
        self._metrics.waiting.labels(self.sink).set(len(self._tasks))
        if time.monotonic() >= self._next_commit:
            await self._commit(self._prefixes.keys())
            self._next_commit = time.monotonic() + COMMIT_S

    def _start(self, partition: TopicPartition, prefix: Prefix, record: ConsumerRecord) -> None:
        if missing := prefix.start(record.offset):
            self._metrics.deliveries.labels(self.sink, DELETED).inc(missing)
            first = record.offset - missing
            logger.error(
                "alerts_deleted_unread",
                sink=self.sink,
                partition=record.partition,
                first=first,
                records=missing,
            )
        if is_own(record.key):
            prefix.finish(record.offset)
            return
        task = asyncio.create_task(self._handle(prefix, record))
        self._tasks[task] = partition
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        self._room.set()
        if not task.cancelled() and (error := task.exception()):
            self._failure = self._failure or error

    async def _handle(self, prefix: Prefix, record: ConsumerRecord) -> None:
        try:
            alert = decode_alert(record.value or b"")
        except msgspec.DecodeError as error:
            await self._bury(record, MALFORMED, str(error))
            self._count(MALFORMED, None, record)
        else:
            await self._deliver(alert, record)
        prefix.finish(record.offset)

    async def _deliver(self, alert: Alert, record: ConsumerRecord) -> None:
        outcomes = await self._deliverer.deliver(alert, record.timestamp)
        if refused := [outcome.detail for outcome in outcomes if outcome.fate is Fate.UNDELIVERABLE]:
            await self._bury(record, Fate.UNDELIVERABLE.value, "; ".join(refused))
        for outcome in outcomes:
            self._count(outcome.fate.value, alert, record)

    def _count(self, fate: str, alert: Alert | None, record: ConsumerRecord) -> None:
        self._metrics.deliveries.labels(self.sink, fate).inc()
        account, rule = (alert.account_id, alert.rule) if alert else (None, None)
        logger.info(
            "alert_handled", sink=self.sink, fate=fate, account_id=account, rule=rule, offset=record.offset
        )

    async def _bury(self, record: ConsumerRecord, reason: str, detail: str) -> None:
        letter = dead_letters.DeadLetter.of(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp=record.timestamp,
            reason=reason,
            detail=f"{self.sink}: {detail}",
            key=record.key,
            value=record.value,
        )
        topic = f"{self._settings.topic_prefix}dead-letters"
        key = dead_letters.record_key(record.key)
        await self._producer.send_and_wait(topic, dead_letters.encode(letter), key=key)

    def _retrying(self, error: SinkError) -> None:
        self._metrics.retries.labels(self.sink, cause(error)).inc()
        if not error.credentials:
            logger.warning("delivery_retry", sink=self.sink, error=str(error), retry_after=error.retry_after)
        elif time.monotonic() >= self._next_loud:
            self._next_loud = time.monotonic() + LOUD_S
            logger.error(
                "credentials_refused", sink=self.sink, error=str(error), consequence="all alerts wait"
            )

    async def _settle(self, partitions: Collection[TopicPartition]) -> None:
        """Waits for what is under way, cancels what takes longer, commits."""
        if tasks := [task for task, partition in self._tasks.items() if partition in partitions]:
            ending = asyncio.create_task(self._deliverer.flush())  # groups do not wait for their time
            _, late = await asyncio.wait(tasks, timeout=DRAIN_S)
            ending.cancel()
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._commit(partitions)

    async def _commit(self, partitions: Collection[TopicPartition]) -> None:
        offsets = {
            partition: self._prefixes[partition].position
            for partition in partitions
            if partition in self._prefixes
            and self._committed.get(partition) != self._prefixes[partition].position
        }
        if not offsets:
            return
        try:
            async with asyncio.timeout(DRAIN_S):  # by itself it would try until the broker is back
                await self._consumer.commit(offsets)
        except (KafkaError, TimeoutError) as error:
            # The group moved on or the broker is away: what was sent stands in the delivery log.
            logger.warning("commit_failed", sink=self.sink, error=type(error).__name__)
        else:
            self._committed.update(offsets)


def _consumer(settings: Settings, sink: str) -> AIOKafkaConsumer:
    kafka = settings.kafka
    return AIOKafkaConsumer(
        **client_arguments(kafka),
        group_id=f"{kafka.group}-notifier-{sink}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=int(kafka.session_timeout * 1000),
        heartbeat_interval_ms=int(kafka.heartbeat_interval * 1000),
        # A sink that stands still is no reason to leave the group: the session time-out finds the dead.
        max_poll_interval_ms=_DAY_MS,
        rebalance_timeout_ms=int(max(2 * DRAIN_S, kafka.session_timeout) * 1000),
    )
