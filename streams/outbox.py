"""Records for fenced partitions, encoded under the terms that held when they were put in."""
# ruff: noqa: SLF001 - aiokafka builds batches with a producer state of one's own only privately

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from faust.types import TP


class FencedError(Exception):
    """A newer owner has taken the partition over, or it was never taken; the batch did not reach the log."""


class Term:
    """A producer state: what the broker granted, the next sequence number, and when a broker last confirmed it."""

    __slots__ = ("epoch", "following", "producer_id", "proven_ms", "sequence")

    def __init__(self, producer_id: int, epoch: int, proven_ms: int) -> None:
        self.producer_id = producer_id
        self.epoch = epoch
        self.proven_ms = proven_ms
        self.sequence = 0
        self.following: int | None = None
        """Where the next record has to lie, if it is known: nobody else may write."""


class Batch(NamedTuple):
    """Encoded records of one partition, and the term they were encoded under."""

    term: Term
    data: bytes
    records: int
    first: bytes | None
    """Key of the first record; a batch larger than usual holds no other."""


class Outbox:
    """Records for fenced partitions, cut into batches and compressed as they come in.

    Everything put in must be written (or the worker stop): sequence numbers are given out here. An outbox
    writes under the terms that held when it was made: what was encoded before a partition was lost is
    refused, even if this very process has taken the partition again.
    """

    def __init__(self, producer: AIOKafkaProducer, terms: Mapping[TP, Term]) -> None:
        self._producer = producer
        self._terms = terms
        self._open: dict[TP, Any] = {}
        self._first: dict[TP, bytes | None] = {}
        self.batches: dict[TP, deque[Batch]] = {}
        """Finished, and not written yet."""
        self.size = 0
        """Bytes of the finished batches, compressed."""

    def put(self, tp: TP, records: Iterable[tuple[bytes | None, bytes | None]], timestamp: int) -> None:
        """Add records (key, value) with one `timestamp` in ms. Raises FencedError if `tp` is not owned."""
        if tp not in self._terms:
            raise FencedError(f"{tp.topic}[{tp.partition}] is not owned")
        builder = self._open.get(tp)
        for key, value in records:
            if builder is None or builder.append(key=key, value=value, timestamp=timestamp) is None:
                if builder is not None:
                    self._finish(tp)
                builder = self._start(tp, key, value, timestamp)

    def close(self) -> None:
        """Finish the open batches."""
        for tp in list(self._open):
            self._finish(tp)

    def _start(self, tp: TP, key: bytes | None, value: bytes | None, timestamp: int) -> Any:  # noqa: ANN401
        """A batch with its first record, of whatever size: the broker decides what is too large, and says so."""
        builder = self._producer.create_batch()
        if builder.append(key=key, value=value, timestamp=timestamp) is None:
            raise ValueError(f"{tp.topic}[{tp.partition}]: no batch takes the record of {key!r}")
        self._open[tp], self._first[tp] = builder, key
        return builder

    def _finish(self, tp: TP) -> None:
        builder, term = self._open.pop(tp), self._terms[tp]
        count = builder.record_count()
        builder._set_producer_state(term.producer_id, term.epoch, term.sequence)
        term.sequence = (term.sequence + count) & 0x7FFFFFFF
        batch = Batch(term, bytes(builder._build()), count, self._first.pop(tp))
        self.batches.setdefault(tp, deque()).append(batch)
        self.size += len(batch.data)

    def next_round(self) -> dict[TP, Batch]:
        """Takes out the first finished batch of each partition; nothing if there is none left."""
        batches = {tp: queue.popleft() for tp, queue in self.batches.items()}
        self.batches = {tp: queue for tp, queue in self.batches.items() if queue}
        self.size -= sum(len(batch.data) for batch in batches.values())
        return batches
