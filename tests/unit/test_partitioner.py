"""Keys go where every Java producer would send them."""

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from streams.partitioner import murmur2, partition_of

JAVA_VECTORS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("data", "signed"), JAVA_VECTORS.items())
def test_known_vectors(data: bytes, signed: int):
    """The hash is the one of the vectors in Kafka's own UtilsTest."""
    assert murmur2(data) == signed % 2**32


@given(key=st.binary(max_size=70), partitions=st.integers(1, 300))
def test_agrees_with_aiokafka(key: bytes, partitions: int):
    """Any key lands on the partition aiokafka's DefaultPartitioner chooses."""
    numbers = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key, numbers, numbers)
