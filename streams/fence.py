"""Writes that only the present owner of a partition gets through: producer epochs, without transactions.

Every partition number has the transactional id `<group>-<first topic>-<number>`. Taking it over means asking the
broker for the next epoch of that id and appending one ordinary record with it, the term record (key `TERM_KEY`), to
that partition of every output. From that append on the leader refuses every batch of an older epoch, so what a worker
writes that was frozen, and does not know that it was replaced, never reaches the log. No transaction is ever begun:
there are no control markers, and a write costs what any `acks=all` write costs.

Brokers forget: the leader an epoch `producer.id.expiration.ms` (a day) after its last record, the coordinator an id
`transactional.id.expiration.ms` (a week) after its last epoch. Hence `renew`, and a term that was not proven for half a
day, as of a process that was frozen for that long, is over without asking.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer, codec
from aiokafka import errors as kafka_errors
from aiokafka.client import ConnectionGroup, CoordinationType
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.structs import TopicPartition
from faust.types import TP

from streams.broker_time import expect_right_clock
from streams.clock import Clock
from streams.outbox import Batch, FencedError, Outbox, Term
from streams.own_records import TERM_KEY
from streams.producer_ids import InitProducerId

_FENCED: Final = frozenset({47, 90})  # INVALID_PRODUCER_EPOCH, PRODUCER_FENCED
_TOO_LARGE: Final = frozenset({10, 18})  # MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE
_TERM_MS: Final = 12 * 3_600_000
"""Wall time after which a term that no broker has confirmed is over: half of what a leader remembers."""
_REQUEST_TIMEOUT_MS: Final = 5_000
_BACKOFF_S: Final = 0.1
_UNREACHABLE: Final = (
    kafka_errors.NodeNotReadyError,
    kafka_errors.RequestTimedOutError,
    kafka_errors.KafkaConnectionError,
    kafka_errors.CoordinatorNotAvailableError,
)
_ASK_AGAIN: Final = (kafka_errors.CoordinatorLoadInProgressError, kafka_errors.ConcurrentTransactions)


class ForeignRecordsError(Exception):
    """Somebody who is not in this group writes to its changelog; the text says where."""


def compress_fast() -> None:
    """Let aiokafka compress lz4 at level 1: its fixed level 9 costs 54 us a row and holds the loop."""
    codec.lz4_encode.__defaults__ = (1,)


class StateLostError(Exception):
    """The changelog does not hold what it held: accounts would begin anew in mid-log."""


def lost_rows(topic: str, number: int, end: int, known: int) -> str:
    """What a StateLostError says of a changelog that is shorter than it was."""
    why = "it was created anew, or its brokers lost records"
    return f"{topic}[{number}] held records up to offset {known}, and ends at {end}: {why}"


class _Grant(NamedTuple):
    producer_id: int
    epoch: int
    proven_ms: int


class FencedWriter:
    """Owns output partitions and writes to them; all calls of one partition must come one after the other."""

    def __init__(
        self, group: str, topics: Sequence[str], producer: AIOKafkaProducer, deadline: float, clock: Clock
    ) -> None:
        """`topics` are written to by partition number; `producer` lends its connections and batch settings.

        `deadline` in seconds bounds every write.
        """
        self.producer = producer
        self._client = producer.client
        self._group = group
        self._topics = topics
        self._deadline = deadline
        self._clock = clock
        self._terms: dict[TP, Term] = {}

    @property
    def owned(self) -> frozenset[int]:
        """Partition numbers whose epoch this writer holds, as far as it knows."""
        return frozenset(tp.partition for tp in self._terms)

    def outbox(self) -> Outbox:
        """An empty outbox for what is owned now."""
        return Outbox(self.producer, dict(self._terms))

    async def acquire(self, numbers: Collection[int]) -> dict[TP, int]:
        """Take partition numbers over; returns the offsets of their term records, topic by topic.

        When it returns, no older owner can write any more, and whatever older owners wrote lies below those
        offsets. Raises KafkaError when the deadline passes.
        """
        until, offsets, left = time.monotonic() + self._deadline, dict[TP, int](), list(numbers)
        while left:  # again for those whose term a try appended that got no answer: who knows where
            grants = await asyncio.gather(*(self._next_epoch(n, None, until) for n in left))
            for number, grant in zip(left, grants, strict=True):
                self._terms |= self._new_terms(number, grant)
            offsets |= await self._open_terms(left)
            left = [number for number in left if TP(self._topics[0], number) not in offsets]
            if left and time.monotonic() > until:
                raise kafka_errors.KafkaTimeoutError(f"the terms of {left} lie nobody knows where")
        return offsets

    async def renew(self, numbers: Collection[int]) -> dict[TP, int]:
        """Go on with the next epoch of partitions, so that no broker forgets them; returns the new terms' offsets.

        What older outboxes hold is refused from then on. Raises FencedError if somebody else was given a
        later epoch, or might have been; KafkaError when the deadline passes.
        """
        until = time.monotonic() + self._deadline
        held = {number: self._terms[TP(self._topics[0], number)] for number in numbers}
        for number, term in held.items():
            self._expect_alive(TP(self._topics[0], number), term)
        grants = await asyncio.gather(*(self._next_epoch(n, term, until) for n, term in held.items()))
        for (number, before), grant in zip(held.items(), grants, strict=True):
            if self._terms.get(TP(self._topics[0], number)) is not before:
                raise FencedError(f"partition {number} was given up while it was renewed")
            self._terms |= self._new_terms(number, grant)
        return await self._open_terms(numbers)

    def release(self, numbers: Iterable[int]) -> None:
        """Forget partitions; outboxes made from now on refuse them."""
        for tp in [TP(topic, number) for topic in self._topics for number in numbers]:
            self._terms.pop(tp, None)

    def _new_terms(self, number: int, grant: _Grant) -> dict[TP, Term]:
        return {TP(topic, number): Term(*grant) for topic in self._topics}

    async def _open_terms(self, numbers: Collection[int]) -> dict[TP, int]:
        outbox = self.outbox()
        for tp in [TP(topic, number) for topic in self._topics for number in numbers]:
            outbox.put(tp, [(TERM_KEY, b"%d" % self._terms[tp].epoch)], self._clock())
        return await self.write(outbox)

    def _expect_alive(self, tp: TP, term: Term) -> None:
        silent = self._clock() - term.proven_ms
        if silent > _TERM_MS:
            hours = silent / 3_600_000
            raise FencedError(
                f"{tp.topic}[{tp.partition}]: no broker confirmed epoch {term.epoch} for {hours:.0f} h"
            )

    async def write(self, outbox: Outbox) -> dict[TP, int]:
        """Write what the outbox holds, in order within each partition; returns the last offset of each, if it is known.

        The outbox is empty then, and may be filled again. What was written is let go of at once.
        Identical bytes are sent again until they are acknowledged. Raises FencedError, or KafkaError when the
        deadline passes or the broker refuses for good; it is unknown then which batches were appended.
        """
        outbox.close()
        until = time.monotonic() + self._deadline
        last: dict[TP, int] = {}
        while batches := outbox.next_round():  # a request may hold one batch per partition
            await self._round(batches, last, until)
        return last

    async def _round(self, todo: dict[TP, Batch], last: dict[TP, int], until: float) -> None:
        problem: object = None
        began = self._clock()
        while True:
            asked = self._clock()
            for tp, batch in todo.items():
                self._expect_alive(tp, batch.term)
            requests = self._by_leader(todo)
            answers = await asyncio.gather(*(self._send(node, batches) for node, batches in requests.items()))
            for answer in answers:
                if not isinstance(answer, Exception):
                    expect_right_clock(answer, began, self._clock())
                problem = self._settle(answer, todo, last, asked) or problem
            if not todo:
                return
            if time.monotonic() > until:
                raise kafka_errors.KafkaTimeoutError(f"write not acknowledged: {problem!r}")
            await self._refresh()

    def _by_leader(self, todo: Mapping[TP, Batch]) -> dict[int, dict[TP, bytes]]:
        requests: dict[int, dict[TP, bytes]] = {}
        for tp, batch in todo.items():
            leader = self._client.cluster.leader_for_partition(TopicPartition(*tp))
            if leader is None or leader == -1:
                self._client.add_topic(tp.topic)
            else:
                requests.setdefault(leader, {})[tp] = batch.data
        return requests

    async def _send(self, node: int, batches: Mapping[TP, bytes]) -> Any:  # noqa: ANN401
        by_topic: dict[str, list[tuple[int, bytes]]] = {}
        for tp, data in batches.items():
            by_topic.setdefault(tp.topic, []).append((tp.partition, data))
        request = ProduceRequest(None, -1, _REQUEST_TIMEOUT_MS, list(by_topic.items()))
        try:
            return await self._client.send(node, request)
        except _UNREACHABLE as error:
            return error

    def _settle(
        self,
        answer: Any,  # noqa: ANN401
        todo: dict[TP, Batch],
        last: dict[TP, int],
        asked: int,
    ) -> object:
        """Strike out what was appended; returns what is worth another try, raises what is not."""
        if isinstance(answer, Exception):
            return answer
        problem: object = None
        for topic, partitions in answer.topics:
            for partition, code, offset, *_ in partitions:
                tp = TP(topic, partition)
                batch = todo[tp]
                error = kafka_errors.for_code(code)
                if error is kafka_errors.NoError:
                    self._expect_alone(tp, batch.term, offset)
                    batch.term.following = offset + batch.records
                    last[tp], batch.term.proven_ms = offset + batch.records - 1, asked
                    del todo[tp]
                elif (
                    error is kafka_errors.DuplicateSequenceNumber
                ):  # an earlier try was appended, at an unknown offset
                    batch.term.proven_ms, batch.term.following = asked, None
                    del todo[tp]
                elif code in _FENCED:
                    raise FencedError(f"{topic}[{partition}]: epoch {batch.term.epoch} is over")
                elif error.retriable:
                    problem = error
                else:
                    raise error(_refusal(tp, batch, code))
        return problem

    def _expect_alone(self, tp: TP, term: Term, offset: int) -> None:
        """What a term writes to the changelog lies in one piece: compaction takes records out, but moves none.

        Other topics may have other writers: see `dead-letters`.
        """
        if tp.topic != self._topics[0] or term.following in {None, offset}:
            return
        if offset < term.following:
            raise StateLostError(lost_rows(tp.topic, tp.partition, offset, term.following))
        raise ForeignRecordsError(
            f"somebody else writes to {tp.topic}[{tp.partition}], from offset {term.following} to {offset - 1}; "
            "is there another ACCOUNTPULSE_KAFKA__GROUP under the same ACCOUNTPULSE_TOPIC_PREFIX?"
        )

    async def _refresh(self) -> None:
        update = asyncio.shield(self._client.force_metadata_update())
        await asyncio.wait([update], timeout=2.0)
        await asyncio.sleep(_BACKOFF_S)

    async def _next_epoch(self, number: int, held: Term | None, until: float) -> _Grant:
        """The next epoch: of whoever has it, or of `held` if that is the latest one given."""
        transactional_id = f"{self._group}-{self._topics[0]}-{number}"
        request = InitProducerId(transactional_id)
        if held is not None:
            request = InitProducerId(transactional_id, held.producer_id, held.epoch)
        while True:
            try:
                return await self._init_producer_id(transactional_id, request)
            except (*_UNREACHABLE, *_ASK_AGAIN, kafka_errors.NotCoordinatorError) as error:
                if time.monotonic() > until:
                    raise kafka_errors.KafkaTimeoutError(f"epoch of {transactional_id}: {error!r}") from error
            await asyncio.sleep(_BACKOFF_S)

    async def _init_producer_id(self, transactional_id: str, request: InitProducerId) -> _Grant:
        asked = self._clock()
        node = await self._client.coordinator_lookup(CoordinationType.TRANSACTION, transactional_id)
        answer = await self._client.send(node, request, group=ConnectionGroup.COORDINATION)
        if answer.error_code in _FENCED:
            raise FencedError(f"{transactional_id}: somebody else has a later epoch")
        if answer.error_code:
            raise kafka_errors.for_code(answer.error_code)(transactional_id)
        return _Grant(answer.producer_id, answer.producer_epoch, asked)


def _refusal(tp: TP, batch: Batch, code: int) -> str:
    text = f"write to {tp.topic}[{tp.partition}]"
    if code in _TOO_LARGE:
        text += (
            f": {len(batch.data)} bytes, compressed, in {batch.records} record(s) from key {batch.first!r} on;"
            " raise max.message.bytes of the topic"
        )
    return text
