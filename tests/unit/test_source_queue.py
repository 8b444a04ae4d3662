"""The queue of one source: the tick an event counts from, what the clock may take, and what still may come."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scoring.state import Store
from scoring.times import UNSET, iso
from streams.codec import Admission, decode_chunk
from streams.source_queue import Position, SourceQueue, ceil_tick
from tests.property.feeds import START, Record, event, record

TICK, GRACE = 60_000, 10_000


def put(queue: SourceQueue, times: list[int], offset: int = 0, *, bad: frozenset[int] = frozenset()) -> None:
    """Append one event a time; those at the places `bad` are rejected."""
    records = [
        Record(offset + i, START + 10**12, b"acme", b"{")
        if i in bad
        else record(offset + i, event("usage", START + t))
        for i, t in enumerate(times)
    ]
    decoded = decode_chunk(records, Admission(lambda _: True, Store()))
    queue.put(np.array([r.offset for r in records]), decoded)


def drained(queue: SourceQueue, most: int = 2048) -> list[tuple[int, int]]:
    """(offset, tick it counts from) of everything queued."""
    out = []
    while (chunk := queue.take(1 << 62, most)) is not None:
        out += list(zip(chunk.offsets.tolist(), (chunk.tick - START).tolist(), strict=True))
    return out


millis = st.lists(st.integers(0, 600).map(lambda s: s * 1000), min_size=1, max_size=30)


@given(times=millis, cut=st.integers(0, 30), most=st.integers(1, 31), bad=st.frozensets(st.integers(0, 29)))
def test_tick_depends_on_the_log_alone(times, cut, most, bad):
    """K(o) = ceil(max(time, running maximum - grace)), however the feed is cut into chunks and taken, and whatever is rejected in between."""
    queue = SourceQueue(TICK, GRACE)
    put(queue, times[:cut] or times, bad=bad)
    if times[:cut] and times[cut:]:
        put(queue, times[cut:], cut, bad=frozenset(i - cut for i in bad))
    newest, expected = -1, []
    for offset, time in enumerate(times):
        if offset not in bad:
            newest = max(newest, time)
            expected.append((offset, -(-max(time, newest - GRACE) // TICK) * TICK))
    assert drained(queue, most) == expected
    assert queue.next_offset == len(times)
    assert queue.queued == 0


@given(times=millis, order=st.randoms(use_true_random=False))
def test_shuffling_within_the_grace(times, order):
    """Events that come late by no more than the grace count from the tick they would have counted from in order."""
    jitter = sorted(times, key=lambda t: t + order.uniform(0, GRACE))
    queue = SourceQueue(TICK, GRACE)
    put(queue, jitter)
    assert [
        (k, ceil_tick(t, TICK))
        for (_, k), t in zip(drained(queue), jitter, strict=True)
        if k != ceil_tick(t, TICK)
    ] == []


def test_takes_a_prefix():
    """What counts from a later tick stays behind, unless something of this tick stands behind it; the offset to commit follows."""
    queue = SourceQueue(TICK, GRACE)
    put(queue, [1000, 61_000, 58_000, 62_000, 63_000])
    chunk = queue.take(START + TICK)
    assert chunk is not None
    taken = (chunk.offsets.tolist(), queue.next_offset, queue.taken_newest, queue.queued)
    assert taken == ([0, 1, 2], 3, START + 61_000, 2)
    assert queue.take(START + TICK) is None
    put(queue, [59_000], 5)
    assert [c.offsets.tolist() for c in (queue.take(START + TICK), queue.take(START + TICK)) if c] == [
        [3, 4],
        [5],
    ]
    assert queue.take(START + TICK) is None
    assert queue.next_offset == 6


def test_a_full_queue_lets_go():
    """More than fits is handed out before its tick, up to what may have something of this tick behind it: else nothing would be read."""
    queue = SourceQueue(TICK, GRACE, roomy=3)
    put(queue, [61_000, 62_000, 69_000, 71_000])
    chunk = queue.take(START + TICK)
    assert chunk is not None
    assert chunk.offsets.tolist() == [0, 1, 2]
    assert queue.take(START + TICK) is None


def test_rejected_records_are_passed_by():
    """Offsets of rejected records are committed once everything before them was taken, never earlier."""
    queue = SourceQueue(TICK, GRACE)
    put(queue, [0, 0], bad=frozenset({0, 1}))
    assert queue.next_offset == 2
    put(queue, [4000], 2)
    put(queue, [0, 0], 3, bad=frozenset({0, 1}))
    assert queue.next_offset == 2
    assert queue.take(START + TICK) is not None
    assert queue.next_offset == 5


def test_bound():
    """Nothing is known of a silent source; a read one holds the clock back at its newest time minus grace; an idle one goes with wall time."""
    queue = SourceQueue(TICK, GRACE)
    assert queue.bound(START, idle=False) is None
    assert queue.bound(START, idle=True) == START - GRACE
    put(queue, [70_000, 90_000])
    assert queue.bound(START, idle=False) == START + 80_000
    assert queue.bound(START + 10**9, idle=True) == START + 2 * TICK, iso(START)
    assert queue.head == START + TICK
    assert queue.take(1 << 62) is not None
    assert queue.bound(START, idle=False) == START + 80_000
    assert queue.bound(START + 10**9, idle=True) == START + 10**9 - GRACE


def test_resume():
    """A queue that continues behind a committed offset knows how far its feed was, so late events stay late."""
    queue = SourceQueue(TICK, GRACE)
    queue.resume(Position(START + 300_000, START, []))
    put(queue, [0], 17)
    assert drained(queue) == [(17, 300_000)]
    assert queue.newest == START + 300_000
    assert SourceQueue(TICK, GRACE).next_offset == UNSET


def test_what_was_heard_by_a_tick():
    """The newest event time by a tick is that of the events that count from it or before, also behind a committed offset."""
    queue = SourceQueue(TICK, GRACE)
    put(queue, [1000, 70_000, 65_000])
    assert queue.take(1 << 62) is not None
    again = SourceQueue(TICK, GRACE)
    again.resume(queue.position)
    for q in (queue, again):
        assert q.heard(START + TICK) == START + 1000
        assert q.heard(START + 2 * TICK) == START + 70_000
