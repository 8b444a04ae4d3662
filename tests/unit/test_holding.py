"""Held events: what waits in a row is small, and folds exactly as what came."""

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.row import encode_rows
from scoring.times import DAY, HOUR
from streams.codec import decode_one
from streams.dead_letters import DeadLetter, encode, record_key
from streams.holding import AS_IT_CAME, held_bytes
from streams.pipeline import Partition
from tests.property.feeds import START, context, event, feed, folded, record, settle, tell
from tests.property.strategies import END, anything

PADDING = {f"unknown {n}": "x" * 1000 for n in range(5)}


def padded(told: dict, **more: object) -> dict:
    return {**told, **PADDING, **more}


@settings(max_examples=30)
@given(events=st.lists(anything, min_size=1, max_size=12))
def test_what_is_kept_folds_as_what_came(events):
    """Whatever the event, its long form and what a row keeps of it leave the same account."""
    kept = []
    for told in events:
        raw = json.dumps(padded(told)).encode()
        slim = held_bytes(raw, decode_one(raw))
        assert len(slim) < len(raw) // 5
        assert held_bytes(slim, decode_one(slim)) == slim or len(slim) > AS_IT_CAME
        kept.append(json.loads(slim))
    assert folded(tell(kept, END).store) == folded(tell(events, END).store)


def test_a_mapping_of_any_size_is_kept_as_its_bits():
    """Thousands of features in one event weigh less than a kilobyte, and set the bits they always set."""
    counts = {f"feature {n} " + "x" * 200: n % 3 for n in range(4000)}
    told = event("usage", START, counts=counts)
    raw = json.dumps(told).encode()
    slim = held_bytes(raw, decode_one(raw))
    assert len(raw) > 800_000
    assert len(slim) < 1024
    assert folded(tell([json.loads(slim)], START + DAY).store) == folded(tell([told], START + DAY).store)


def test_nothing_told_in_a_mapping_stays_nothing():
    """A mapping of zeros names no feature, whole or kept."""
    told = padded(event("usage", START, counts={"x": 0}))
    raw = json.dumps(told).encode()
    slim = json.loads(held_bytes(raw, decode_one(raw)))
    assert folded(tell([slim], START + DAY).store) == folded(tell([told], START + DAY).store)


def test_short_events_are_kept_as_they_came():
    """An event of usual length travels untouched."""
    raw = json.dumps(event("usage", START)).encode()
    assert held_bytes(raw, decode_one(raw)) == raw


def waiting() -> Partition:
    """A partition in which megabytes of one account were taken and count from the next tick."""
    partition = Partition(0, context(tick=HOUR, grace=60_000))
    tick = START + HOUR
    feed(partition, [event("ticket", tick - 1000, action="updated", ticket_id="T")])
    for source in range(2, 6):
        partition.feed(source, [record(0, event("usage", tick - 1000, quantity=0))])
    big = [padded(event("usage", tick + 1000 * n, quantity=n), fill="y" * 900_000) for n in range(1, 6)]
    straggler = event("usage", tick - 1000, quantity=0)  # what counts from a later tick is held for its sake
    feed(partition, [event("usage", START), *big, straggler])
    for _ in partition.advance(tick, frozenset()):
        pass
    return partition


def test_a_row_stays_small_while_megabytes_wait():
    """Five events of nearly a megabyte each wait in a row of some kilobytes, and count from the next tick."""
    partition = waiting()
    row = partition.store.index[b"acme"]
    assert len(partition.store.tails[row].held) == 5
    [(_, value)] = encode_rows(partition.store, np.array([row]))
    assert len(value) < 8_000
    settle(partition, START + 3 * HOUR)
    assert partition.store.rings["usage"][row].sum() == 1000 * (1 + 1 + 2 + 3 + 4 + 5)
    assert not partition.store.tails[row].held


def test_events_that_waited_leave_a_tail_decoded_anew():
    """A tail let go of while events wait in it has them no more once they were folded: a restart must not fold them again."""
    partition = waiting()
    row = partition.store.index[b"acme"]
    partition.store.tails.most_decoded = 0
    assert [block for block in partition.row_blocks() if block]
    partition.store.shrink()
    settle(partition, START + 3 * HOUR)
    assert partition.store.rings["usage"][row].sum() == 1000 * (1 + 1 + 2 + 3 + 4 + 5)
    assert not partition.store.tails[row].held


def test_thousands_wait_without_holding_the_loop():
    """Twenty thousand held events of one account are folded in a moment, not in quadratic time."""
    partition = Partition(0, context(tick=HOUR, grace=30 * 60_000))
    tick = START + HOUR
    for source in range(1, 6):
        partition.feed(source, [record(0, event("usage", tick - 1000, quantity=0))])
    straggler = event("usage", tick - 1000, quantity=0)
    feed(partition, [*(event("usage", tick + 50 * (n + 1)) for n in range(20_000)), straggler])
    for _ in partition.advance(tick, frozenset()):
        pass
    assert sum(map(len, partition._folding.held.values())) == 20_000
    began = time.process_time()
    settle(partition, tick + HOUR + 31 * 60_000)
    assert partition.store.rings["usage"][: partition.store.n].sum() == 20_000_000
    assert time.process_time() - began < 5  # seconds; one by one it takes fifty


@pytest.mark.parametrize("name", ["key", "detail"])
def test_a_dead_letter_fits_whatever_was_rejected(name):
    """A record of a megabyte with a key of a megabyte leaves a dead letter of less than half of that."""
    long = {"key": b"k" * 1_000_000, "detail": "d" * 1_000_000}
    told = {"key": b"k", "detail": "d", name: long[name]}
    letter = DeadLetter.of(
        topic="t", partition=0, offset=1, timestamp=2, reason="r", value=b"\0" * (1 << 20), **told
    )
    assert len(encode(letter)) < 1 << 19
    assert record_key(b"k" * 1_000_000) is None
    assert record_key(b"k") == b"k"
