"""Whole record batches out of aiokafka, as columns: without a ConsumerRecord for each record.

A block remembers where it begins and ends in the log, not only which offsets it holds: compaction,
transaction markers and aborted records leave holes between offsets, but `begin` of a block is always `end`
of the one before it. So whoever takes blocks can tell a hole in the log from a block lost on the way.
"""
# ruff: noqa: SLF001 - aiokafka has no public way to whole batches; tests/contract guards what is reached into

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final

from aiokafka import errors as kafka_errors
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.consumer.fetcher import Fetcher as KafkaFetcher
from faust.types import TP

from streams.records import Record, Records

RECORDS_PER_FETCH: Final = 16_000
"""No further partition is opened once a fetch holds this many: records need far more memory than blocks."""
_AT_ONCE: Final = 1_000
"""Records that are made columns together: an object for each of more would keep the garbage collector busy."""


class RecordBlock:
    """Consecutive records of a partition: all that the log holds from `begin` up to, but without, `end`."""

    __slots__ = ("begin", "end", "generation", "records", "tp")

    def __init__(self, tp: TP, begin: int, end: int, records: Sequence[Record], generation: int = -1) -> None:
        self.tp = tp
        self.begin = begin
        self.end = end
        self.records = Records.of(records)
        self.generation = generation

    def slices(self, size: int, generation: int) -> Iterator[RecordBlock]:
        """The block in pieces of at most `size` records, marked with the group generation of the fetch."""
        records, begin = self.records, self.begin
        for at in range(0, max(len(records), 1), size):
            following = at + size
            end = records.offsets.item(following) if following < len(records) else self.end
            yield RecordBlock(self.tp, begin, end, records[at:following], generation)
            begin = end


async def fetch(
    fetcher: KafkaFetcher, wanted: Collection[Any], wait_s: float, most: int | None = None
) -> dict[TP, RecordBlock]:
    """What aiokafka has prefetched for the `wanted` partitions; waits up to `wait_s` seconds for something.

    Of each partition whole record batches until there are `most` records; what is left comes next time.

    Runs on the consumer's thread and mirrors `Fetcher.fetched_records`, which goes record by record.
    Raises what a fetch answer carried, such as a missing authorisation.
    """
    deadline = time.monotonic() + wait_s
    while True:
        if fetcher._subscriptions.reassignment_in_progress:
            try:
                await fetcher._subscriptions.wait_for_assignment()
            except kafka_errors.KafkaError:  # of the group: heard before the next fetch
                return {}
        blocks = _prefetched(fetcher, wanted, most)
        remaining = deadline - time.monotonic()
        if blocks or remaining <= 0:
            return blocks
        waiter = fetcher._create_fetch_waiter()
        await asyncio.wait([waiter], timeout=remaining)
        if not waiter.done() or fetcher._closed:
            waiter.cancel()
            return {}
        if waiter.exception():  # as above
            return {}


def _prefetched(fetcher: KafkaFetcher, wanted: Collection[Any], most: int | None) -> dict[TP, RecordBlock]:
    prefetched = fetcher._records
    blocks: dict[TP, RecordBlock] = {}
    count = 0
    _forget_lost(fetcher)
    for tp in [tp for tp in prefetched if tp in wanted]:
        result = prefetched[tp]
        if blocks and not isinstance(result, FetchResult):
            break  # an error is raised when it is alone, so that nothing taken out is lost with it
        del prefetched[tp]  # also if reading it fails: the same position is fetched again then
        fetcher._notify(fetcher._wait_consume_future)
        if not isinstance(result, FetchResult):
            result.check_raise()
            continue
        block = take(result, most)
        if result.has_more():
            prefetched[tp] = result  # behind the others
        if block is not None:
            blocks[block.tp] = block
            count += len(block.records)
        if count >= RECORDS_PER_FETCH:
            break
    return blocks


def _forget_lost(fetcher: KafkaFetcher) -> None:
    prefetched, subscriptions = fetcher._records, fetcher._subscriptions
    for tp in [tp for tp in prefetched if not subscriptions.is_assigned(tp)]:
        del prefetched[tp]


def take(result: FetchResult, most: int | None = None) -> RecordBlock | None:
    """What a fetch answer holds of one partition, or None if the partition was lost or moved meanwhile.

    With `most`, no further batch is read when there are so many records.

    Raises aiokafka.errors.CorruptRecordException if a checksum is wrong; the position has not moved then.
    """
    tp, source = result._topic_partition, result._partition_records
    if source is not None:
        source._records_iterator = None  # it refers to `source`: answers would wait for the garbage collector
    if not result.check_assignment(tp) or not result.has_more():
        return None
    begin = source.next_fetch_offset
    parts, some, count = list[Records](), list[Record](), 0
    for batch in _batches_that_count(source):
        some.extend(batch)
        source.next_fetch_offset = batch.next_offset
        if most is not None and count + len(some) >= most:
            break
        if len(some) >= _AT_ONCE:
            parts, some, count = [*parts, Records.of(some)], [], count + len(some)
    # a batch is sent whole, even if only its tail was asked for
    records = Records.joined([*parts, Records.of(some)]).since(begin)
    result._update_position()
    if not source._records.has_next():
        result._partition_records = None
    return RecordBlock(TP(tp.topic, tp.partition), begin, source.next_fetch_offset, records)


def _batches_that_count(source: PartitionRecords) -> Iterator[Any]:
    """Record batches with a right checksum, neither control batches nor parts of aborted transactions."""
    while source._records.has_next():
        batch = source._records.next_batch()
        if source._check_crcs and not batch.validate_crc():
            raise kafka_errors.CorruptRecordException(f"checksum of {source._tp} at {batch.base_offset}")
        aborted = False
        if source._isolation_level == READ_COMMITTED and batch.producer_id is not None:
            source._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and source._contains_abort_marker(batch):
                source._aborted_producers.discard(batch.producer_id)
            aborted = batch.is_transactional and batch.producer_id in source._aborted_producers
        if aborted or batch.is_control_batch:
            source.next_fetch_offset = batch.next_offset
        else:
            yield batch


def by_partition(blocks: Iterable[RecordBlock]) -> Iterator[tuple[int, list[RecordBlock]]]:
    """Partition numbers with their blocks, those of sources with few records first; in order within a source."""
    found: dict[int, dict[TP, list[RecordBlock]]] = defaultdict(lambda: defaultdict(list))
    for block in blocks:
        found[block.tp.partition][block.tp].append(block)
    for number, sources in found.items():
        by_size = sorted(sources.values(), key=lambda own: sum(len(block.records) for block in own))
        yield number, [block for own in by_size for block in own]
