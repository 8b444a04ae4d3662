"""Faust's transport with whole record blocks: the consumer, its thread, and what a rebalance may not lose.

One message of Faust carries all input blocks of a fetch, so the framework's cost per message is paid once per
fetch. Faust keeps the group membership, the assignment and the recovery of the changelog. What is overridden
here is guarded by tests/contract/test_overrides.py; Faust and aiokafka are pinned to a minor version.
"""
# ruff: noqa: SLF001 - aiokafka takes some settings and gives committed metadata only privately

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final, cast

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka import errors as kafka_errors
from aiokafka.structs import OffsetAndMetadata
from aiokafka.structs import TopicPartition as KafkaTP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams import group_errors
from streams.answers import Answers
from streams.fetch import RecordBlock, fetch
from streams.fetched_ends import FetchedEnds
from streams.flush import Flush
from streams.intake import Intake
from streams.static_member import keep_name
from streams.table import Fail

_SLICE: Final = 2_000
_MIN_FETCH_BYTES: Final = 65_536
"""The broker waits `fetch_wait_ms` for that many, or under light load each event would be its own fetch."""
_SHORT_S: Final = 0.05
_SHORT_MS: Final = 10
"""The same at the broker while the group settles: what is asked for next waits for the answer."""
_AT_FIRST: Final = 2_000
"""Records of one partition in a fetch while some clock waits for its first record of every source."""

log = structlog.get_logger(__name__)


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that talks to the brokers; what is not `async` here is called from the main thread."""

    logger = logging.getLogger("faust.worker")  # or its life cycle is logged as ours

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:  # noqa: ANN401 - Faust's signature
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = cast("Transport", self.transport).fetch_wait_ms  # Faust: always 1500
        consumer._fetch_min_bytes = _MIN_FETCH_BYTES
        consumer._isolation_level = "read_committed"  # events of an aborted transaction never happened
        wiring = cast("Transport", self.transport)
        wiring.ends.listen(consumer._client)
        wiring.answers.listen(consumer._client, "consumer")
        if consumer._group_instance_id:
            keep_name(consumer._client, consumer._group_instance_id, self._fail)
        return consumer

    def _fail(self, error: BaseException) -> None:
        self.parent_loop.call_soon_threadsafe(cast("Transport", self.transport).fail, error)

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's signature
        max_records: int | None = None,
    ) -> Any:  # noqa: ANN401
        if not self.consumer.flow_active:
            return {}
        if consumer._closed or consumer._fetcher._closed:
            raise kafka_errors.ConsumerStoppedError
        group_errors.hear(consumer._coordinator, self._fail)
        wiring, fetcher = cast("Transport", self.transport), consumer._fetcher
        fetcher._fetch_max_wait_ms = _SHORT_MS if wiring.settling else wiring.fetch_wait_ms
        with fetcher._subscriptions.fetch_context():
            most = _AT_FIRST if wiring.starting else None
            return await fetch(fetcher, active_partitions, timeout or 0.0, most)

    async def _commit(self, offsets: Any) -> bool:  # noqa: ANN401 - positions with metadata, not plain offsets
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        mine = {KafkaTP(*tp): position for tp, position in offsets.items() if tp in assigned}
        try:
            await consumer.commit(mine)
        except (kafka_errors.CommitFailedError, kafka_errors.IllegalStateError) as error:
            log.info("offsets not committed, as the group rebalances", error=str(error))
            return False
        return True

    async def committed(self, partitions: Sequence[TP]) -> dict[TP, OffsetAndMetadata]:
        """Committed offsets and metadata; partitions without any are left out."""
        coordinator = self._ensure_consumer()._coordinator
        found = await self.call_thread(
            coordinator.fetch_committed_offsets, [KafkaTP(*tp) for tp in partitions]
        )
        return {TP(tp.topic, tp.partition): position for tp, position in found.items()}

    def hear_group(self) -> None:
        """Ask for errors of the group; nobody fetches while there is no assignment."""
        coordinator = self._consumer and self._consumer._coordinator
        if coordinator:
            self.thread_loop.call_soon_threadsafe(group_errors.hear, coordinator, self._fail)

    def rejoin(self) -> None:
        """Ask the group for a new assignment."""
        self.thread_loop.call_soon_threadsafe(self._ensure_consumer()._coordinator.request_rejoin)

    async def leave(self) -> None:
        """Leave the group at once, so that others need not wait for the session to time out.

        A worker with a name stays in it, so that it finds its partitions when it is back within the session.
        """
        if self._consumer is not None:
            await self.call_thread(self._consumer.stop)


class Consumer(driver.Consumer):
    """Whole blocks in, positions with metadata out."""

    logger = logging.getLogger("faust.worker")  # or its life cycle is logged as ours

    _thread: ConsumerThread
    _seeking = False
    """While positions are asked for nothing is fetched: their answers would wait behind that of a fetch."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def thread(self) -> ConsumerThread:
        """The thread of this consumer."""
        return self._thread

    @property
    def _wiring(self) -> Transport:
        return cast("Transport", self.transport)

    @property
    def _settling(self) -> bool:
        return bool(self.app.rebalancing or self.app.in_recovery)

    # -- fetching

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109
        """Blocks of the next fetch: each of the changelog by itself, those of the inputs as one message."""
        intake, ends = self._wiring.intake, self._wiring.ends
        if ends.out_of_range:
            ends.out_of_range, intake.missed = False, True
        if intake.missed and self.flow_active and not self._settling:
            await self._seek_back()
        fetched, _ = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if not fetched or self.should_stop:
            return
        blocks = [
            each for whole in fetched.values() for each in cast("Any", whole).slices(_SLICE, generation)
        ]
        inputs = [block for block in blocks if not self._is_changelog_tp(block.tp)]
        for block in blocks:
            if self._is_changelog_tp(block.tp) and self._is_current(generation):
                yield block.tp, _message([block], generation)  # or else the next recovery fetches it again
        if inputs and self._is_current(generation) and not self._settling:
            yield inputs[0].tp, _message(inputs, generation)
        elif inputs:  # they would go into queues that are cleared when the rebalance ends
            intake.missed = True

    def _is_current(self, generation: int) -> bool:
        return bool(self.flow_active and generation == self.app.consumer_generation_id)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ANN401, ASYNC109
        active = active_partitions or set()
        wanted = set() if self._seeking else {tp for tp in active if self._is_changelog_tp(tp)}
        self._wiring.settling = self._settling
        if not self._settling:
            wanted |= self._wiring.intake.wanted(active)
            self._wiring.starting = self._wiring.intake.starting
        if not wanted:
            await self.sleep(_SHORT_MS / 1000 if self._seeking else _SHORT_S)
            return {}
        # a fetch that leaves partitions out must not sleep on them when they are wanted (again)
        patient = len(wanted) == len(active) and not self._buffered_partitions and not self._settling
        return await super()._getmany(wanted, timeout if patient else _SHORT_S)

    async def _seek_back(self) -> None:
        try:
            await self.perform_seek()
        except kafka_errors.IllegalStateError as error:  # the next rebalance has begun; it seeks in the end
            log.info("seek interrupted", error=str(error))
            await self.sleep(_SHORT_S)

    async def verify_all_partitions_active(self) -> None:
        """Nothing: Faust looks for acks, which are not used here, and fails where a position is just being reset."""

    async def perform_seek(self) -> None:
        """Put every input partition where it is to be read on, then let recovered partitions go live."""
        intake = self._wiring.intake
        intake.missed = True  # until this is through: Faust may cancel it and resume nevertheless
        self._seeking = True
        try:
            await self._seek_and_resume(intake)
        finally:
            self._seeking = False
        intake.missed = False

    async def _seek_and_resume(self, intake: Intake) -> None:
        partitions = intake.partitions()
        if partitions:
            committed = await self._thread.committed(partitions)
            earliest = await self.earliest_offsets(*partitions)
            ends = await self.highwaters(*partitions)
            with self._refusal_ends_the_worker():
                starts = intake.start_positions(committed, earliest, ends)
            await self.seek_wait(starts)
            with self._refusal_ends_the_worker():
                intake.resume(starts, committed)

    @contextlib.contextmanager
    def _refusal_ends_the_worker(self) -> Iterator[None]:
        """Faust logs what is raised here and may go on; the log or the metadata is not what can be worked with."""
        try:
            yield
        except Exception as error:
            self._wiring.fail(error)
            raise

    # -- committing

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ANN401
        """Flush and commit. Faust calls it by its timer; nothing is written while ownership is unsettled."""
        return await self._wiring.flush.commit()

    async def commit_positions(self, positions: Mapping[TP, OffsetAndMetadata]) -> bool:
        """Commit offsets with their metadata; False if the group rebalances, which refuses them."""
        return bool(await self._thread.commit(cast("Any", positions)))

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Flush while the epochs are still ours, then let Faust stop the flow."""
        await self._wiring.flush.commit(last=True)
        await super().on_partitions_revoked(revoked)


class Transport(driver.Transport):
    """Chosen by the scheme `accountpulse://` of the broker's address; wired by the composition root."""

    Consumer = Consumer

    def wire(
        self, intake: Intake, flush: Flush, ends: FetchedEnds, answers: Answers, fetch_wait_ms: int, fail: Fail
    ) -> None:  # fmt: skip
        """Hand over what the consumer needs; before the app is started."""
        self.intake = intake
        self.ends = ends
        self.answers = answers
        self.flush = flush
        self.fetch_wait_ms = fetch_wait_ms
        self.fail = fail
        self.starting = False
        self.settling = False


def _message(blocks: list[RecordBlock], generation: int) -> ConsumerMessage:
    """Faust's message around blocks; it goes by the name of the first one."""
    tp, offset = blocks[0].tp, blocks[0].end - 1
    value = cast("Any", blocks)  # BlockSchema leaves it alone
    return ConsumerMessage(
        tp.topic, tp.partition, offset, 0.0, 0, None, b"", value, None, 0, 0, tp, generation_id=generation
    )
