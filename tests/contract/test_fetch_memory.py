"""aiokafka's fetch answers: let go of as soon as they are read, not when the garbage collector comes by."""

import gc
import weakref
from types import SimpleNamespace

import pytest
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from streams.fetch import take

TP = TopicPartition("usage", 0)


@pytest.fixture
def _without_collector():
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_without_collector")
@pytest.mark.parametrize("active", [True, False])
def test_fetch_answer_goes_when_it_was_read(active):
    """Nothing refers to an answer that was taken, or that came too late to be."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=10_000,
    )  # fmt: skip
    for number in range(3):
        builder.append(number, timestamp=1, key=b"a", value=b"%d" % number, headers=[])
    records = PartitionRecords(TP, MemoryRecords(bytes(builder.build())), [], 0, None, None, True, 0)
    position = SimpleNamespace(paused=False, position=0, consumed_to=lambda _: None)
    assignment = SimpleNamespace(active=active, state_value=lambda _: position)
    result = FetchResult(TP, assignment=assignment, partition_records=records, backoff=0)
    answer = weakref.ref(records)
    del records
    block = take(result)
    assert answer() is None
    assert ([record.value for record in block.records] if block else []) == (
        [b"0", b"1", b"2"] if active else []
    )
