"""aiokafka's fetch answers: read whole or in parts, and let go of as soon as they are read, not when the garbage collector comes by."""

import gc
import weakref
from types import SimpleNamespace

import pytest
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from streams.fetch import fetch, take

TP = TopicPartition("usage", 0)


def batch(first: int, records: int) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=10_000,
    )  # fmt: skip
    for number in range(records):
        builder.append(number, timestamp=1, key=b"a", value=b"%d" % (first + number), headers=[])
    data = bytearray(builder.build())
    data[:8] = first.to_bytes(8, "big")  # the base offset is no part of the checksum
    return bytes(data)


def answer_of(data: bytes, position: SimpleNamespace, *, active: bool = True) -> FetchResult:
    records = PartitionRecords(TP, MemoryRecords(data), [], position.position, None, None, True, 0)
    assignment = SimpleNamespace(active=active, state_value=lambda _: position)
    return FetchResult(TP, assignment=assignment, partition_records=records, backoff=0)


def standing_at(offset: int) -> SimpleNamespace:
    position = SimpleNamespace(paused=False, position=offset)
    position.consumed_to = lambda to: setattr(position, "position", to)
    return position


@pytest.fixture
def _without_collector():
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_without_collector")
@pytest.mark.parametrize("active", [True, False])
def test_fetch_answer_goes_when_it_was_read(active):
    """Nothing refers to an answer that was taken, or that came too late to be."""
    result = answer_of(batch(0, 3), standing_at(0), active=active)
    answer = weakref.ref(result._partition_records)
    block = take(result)
    assert answer() is None
    assert ([record.value for record in block.records] if block else []) == (
        [b"0", b"1", b"2"] if active else []
    )


def test_no_record_is_an_object_when_it_was_read():
    """The garbage collector finds nothing to look at in a block, however many records it has."""
    block = take(answer_of(b"".join(batch(first, 500) for first in range(0, 5_000, 500)), standing_at(0)))
    assert [record.offset for record in block.records] == list(range(5_000))
    assert not [each for each in gc.get_objects() if type(each).__name__ == "DefaultRecord"]


async def test_answer_is_read_in_parts():
    """With a limit, whole batches are read until it is reached, in order and without a gap; what is left comes next."""
    position = standing_at(2)  # in the middle of the first batch
    answers = {TP: answer_of(batch(0, 5) + batch(5, 3) + batch(8, 1), position)}
    notified: list[object] = []
    fetcher = SimpleNamespace(
        _records=answers, _wait_consume_future=None, _notify=notified.append,
        _subscriptions=SimpleNamespace(reassignment_in_progress=False, is_assigned=lambda _: True),
    )  # fmt: skip
    parts = []
    while answers:
        blocks = await fetch(fetcher, {TP}, 0.0, most=4)
        parts += [(each.begin, each.end, [r.value for r in each.records]) for each in blocks.values()]
        assert position.position == parts[-1][1]
    assert parts == [(2, 5, [b"2", b"3", b"4"]), (5, 9, [b"5", b"6", b"7", b"8"])]
