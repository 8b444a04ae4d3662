"""Folding: batches, orders and interleavings that must not be seen in the state."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.events import SOURCES, TYPE_NAMES, decode
from scoring.fold.apply import fold
from scoring.layout import HOT
from scoring.row import encode_rows
from scoring.state import Store
from scoring.times import DAY, HOUR, parse
from streams.pipeline import Partition
from streams.replay import SOURCE_OF
from tests.property.feeds import START, context, event, feed, folded, record, settle, tell
from tests.property.strategies import BY_TYPE, END, anything, living

EVERYTHING = frozenset({"pad"})


def fold_in_pieces(events: list[dict[str, Any]], sizes: list[int]) -> Store:
    """The events of one type, folded in batches of these sizes, in turn."""
    store = Store()
    store.roll(END // DAY)
    at, turn = 0, 0
    while at < len(events):
        piece = events[at : at + sizes[turn % len(sizes)]]
        at, turn = at + len(piece), turn + 1
        rows = np.array([store.row(e["account_id"].encode()) for e in piece])
        times = np.array([parse(e["ts"]) for e in piece])
        fold(store, TYPE_NAMES.index(piece[0]["type"]), rows, [decode(json.dumps(e)) for e in piece], times)
    return store


@pytest.mark.parametrize("kind", BY_TYPE)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_one_by_one_equals_one_batch(kind, data):
    """Any cutting of a feed into batches leaves the same bytes in every column, id memory included, and the same tails."""
    events = data.draw(st.lists(BY_TYPE[kind], min_size=1, max_size=70))
    events += data.draw(st.lists(st.sampled_from(events), max_size=5), label="sent twice")
    sizes = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=4))
    single, batch, cut = (fold_in_pieces(events, s) for s in ([1], [len(events)], sizes))
    assert (
        folded(single, without=EVERYTHING)
        == folded(batch, without=EVERYTHING)
        == folded(cut, without=EVERYTHING)
    )


@pytest.mark.parametrize("kind", BY_TYPE)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_order_within_a_tick_does_not_matter(kind, data):
    """Distinct events of one type that count from the same tick may come in any order."""
    distinct = st.lists(BY_TYPE[kind], min_size=1, max_size=25, unique_by=lambda e: e["event_id"])
    events = data.draw(distinct)
    shuffled = data.draw(st.permutations(events))
    assert folded(fold_in_pieces(events, [len(events)])) == folded(fold_in_pieces(shuffled, [len(events)]))


@settings(max_examples=20, deadline=None)
@given(
    events=st.lists(anything, min_size=1, max_size=40),
    order=st.randoms(use_true_random=False),
    sizes=st.integers(1, 7),
)
def test_interleaving_of_sources(events, order, sizes):
    """Reading the topics in any interleaving, in pieces of any size, gives the state that reading them one after another gives."""
    expected = tell(events, END)
    partition = Partition(0, context())
    sources = range(len(SOURCES))
    feeds = {s: [record(n, e) for n, e in enumerate(events) if SOURCE_OF[e["type"]] == s] for s in sources}
    while left := [s for s, records in feeds.items() if records]:
        source = order.choice(left)
        partition.feed(source, feeds[source][:sizes])
        feeds[source] = feeds[source][sizes:]
        for _ in partition.advance(END, frozenset(s for s in sources if not feeds[s])):
            pass
    settle(partition, END)
    everything = frozenset({"pad", "marks", "version", "event_part", "touched"})
    assert folded(partition.store, without=everything) == folded(expected.store, without=everything)


@settings(max_examples=20, deadline=None)
@given(events=st.lists(anything, min_size=2, max_size=40), cut=st.floats(0, 1))
def test_restart_equals_never_stopped(events, cut):
    """State written, lost and read back in the middle of a history goes on as if nothing had happened."""
    at = int(cut * len(events))
    expected = Partition(0, context())
    feed(expected, events[:at])
    settle(expected, END)
    positions, rows = expected.positions(), [pair for block in expected.row_blocks() for pair in block]
    again = Partition(0, context())
    again.restore(rows)
    for source, (_, metadata) in positions.items():
        again.resume(source, metadata)
    again.takeover()
    for partition in (expected, again):
        feed(partition, events[at:], at)
        settle(partition, END + DAY)
    assert folded(again.store, without=frozenset({"pad", "marks"})) == folded(
        expected.store, without=frozenset({"pad", "marks"})
    )


@settings(max_examples=20, deadline=None)
@given(events=st.lists(living, min_size=1, max_size=30), copies=st.integers(1, 3))
def test_reading_the_log_again(events, copies):
    """Records at or below the fence change nothing, however often they are read."""
    once = tell(events, END)
    again = tell(events, END)
    for _ in range(copies):
        reread = Partition(0, again.context)
        reread.restore([pair for block in again.row_blocks() for pair in block])
        reread.store.mark[: reread.store.n] |= 1
        reread.takeover()
        feed(reread, events)
        settle(reread, END + 1)
        again = reread
    assert folded(again.store) == folded(once.store)
    assert [again.store.hot[n][: again.store.n].tolist() for n in ("fence", "id_count")] == [
        once.store.hot[n][: once.store.n].tolist() for n in ("fence", "id_count")
    ]


def test_every_type_is_told():
    """The properties above are about every event type there is, on its own topic."""
    assert set(BY_TYPE) == set(TYPE_NAMES) == set(SOURCE_OF)


def test_hot_has_no_hidden_bytes():
    """The row has no padding the comparisons above could miss: its fields fill it."""
    assert HOT.itemsize == sum(HOT[name].itemsize for name in HOT.names)


def test_rows_of_a_later_day_make_no_event_late():
    """After a crash that left one account's row of a later day, an event of another at the edge of its ring counts as it would have."""
    day = START // DAY + 1  # of the tick that both tickets count from
    edge = (day - 127) * DAY
    events = [
        event("ticket", START + HOUR, "globex", action="opened", ticket_id="T1"),
        event("ticket", edge, "acme", action="opened", ticket_id="T2"),
        event("ticket", edge + DAY, "acme", action="closed", ticket_id="T2"),
        event("usage", START + 3 * DAY, "globex"),
    ]
    for end in (
        START + DAY + HOUR,
        START + 4 * DAY,
    ):  # T2 is still remembered at the first, forgotten at the second
        whole = tell(events, START + 4 * DAY)
        [row] = [pair for pair in encode_rows(whole.store, np.arange(whole.store.n)) if pair[0] == b"globex"]
        undisturbed, again = Partition(0, context()), Partition(0, context())
        again.restore([row])
        again.takeover()
        for partition in (undisturbed, again):
            feed(partition, events)
            settle(partition, end)
        assert folded(again.store)["acme"] == folded(undisturbed.store)["acme"]
        assert ("T2" in folded(again.store)["acme"]["ticket_map"]) == (end < START + 2 * DAY)
