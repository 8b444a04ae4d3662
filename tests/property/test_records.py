"""Records as columns are what they were as objects."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from streams.records import One, Records


class Line(NamedTuple):
    """A record as an object."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


some_bytes = st.none() | st.binary(max_size=3)


@st.composite
def lines(draw):
    """Records with ascending offsets, most without a hole."""
    offset, made = draw(st.integers(0, 5)), []
    for _ in range(draw(st.integers(0, 12))):
        made.append(Line(offset, draw(st.integers(-1, 2**40)), draw(some_bytes), draw(some_bytes)))
        offset += draw(st.sampled_from([1, 1, 1, 1, 3]))
    return made


def same(records: Records, expected: list[Line]) -> bool:
    """Whether records are these, by columns and one by one."""
    return (
        list(records) == [One(*line) for line in expected]
        and len(records) == len(expected)
        and records.offsets.tolist() == [line.offset for line in expected]
        and records.timestamps.tolist() == [line.timestamp for line in expected]
    )


@given(lines(), st.integers(0, 12), st.integers(0, 12), st.integers(0, 30))
def test_columns_are_what_the_objects_were(told, at, to, offset):
    """Whole, in parts, joined again, and from an offset on."""
    records = Records.of(told)
    assert same(records, told)
    assert same(records[at:to], told[at:to])
    assert same(records.since(offset), [line for line in told if line.offset >= offset])
    assert same(Records.joined([records[:at], records[at:]]), told)
    assert same(Records.joined([Records.of(told[:at]), Records.of(told[at:]), Records.of([])]), told)
    assert Records.of(records) is records
