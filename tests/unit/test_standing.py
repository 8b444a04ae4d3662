"""What time alone moves is not written, and whoever reads the rows back knows it nevertheless."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.times import DAY, HOUR
from streams.own_records import CLOCK_KEY
from streams.pipeline import Partition
from streams.ticking import last_full_hour
from tests.oracle.columns import restored
from tests.property.feeds import START, context, event, feed, folded, settle
from tests.property.strategies import END, living

LATER = START + 40 * DAY
ANSWER = event("survey", LATER - 20 * DAY, kind="nps", score=9)
CREATED = event("account", START, action="created", seats=10)


def flush(partition: Partition) -> list[tuple[bytes, bytes]]:
    """A commit: what goes into the changelog."""
    partition.positions()
    for _ in partition.score_blocks():
        pass
    return [pair for block in partition.row_blocks() for pair in block]


def test_time_alone_writes_nothing_but_the_hour():
    """An hour that moves a score by less than what is published writes one record of the partition, and no row."""
    partition = Partition(0, context(tick=HOUR))
    feed(partition, [CREATED, ANSWER])
    settle(partition, LATER + 36 * HOUR)
    assert {key for key, _ in flush(partition)} == {b"acme", CLOCK_KEY}
    before = partition.store.hot["last_sub"][0].tolist()
    settle(partition, LATER + 38 * HOUR + 1)
    assert partition.store.hot["last_sub"][0].tolist() != before  # the answer fades
    partition.positions()
    assert partition.pending
    assert flush(partition) == [(CLOCK_KEY, b"%d" % (LATER + 38 * HOUR))]
    partition.positions()
    assert not partition.pending


@settings(max_examples=5, deadline=None)
@given(events=st.lists(living, min_size=1, max_size=30), data=st.data())
def test_the_changelog_alone_tells_the_state(events, data):
    """The compacted changelog of many commits, at any hour, restores every column, be it that only the clock moved it."""
    partition, changelog = Partition(0, context(tick=6 * HOUR)), {}
    feed(partition, sorted(events, key=lambda e: e["ts"]))
    now = START
    while now < END + 3 * DAY:
        now += data.draw(st.sampled_from([1, 7, 24, 100, 1000])) * HOUR
        settle(partition, now)
        changelog.update(flush(partition))
    again = Partition(0, context(tick=6 * HOUR))
    restored(again, list(changelog.items()))
    kept = frozenset({"pad", "marks"})
    assert folded(again.store, without=kept) == folded(partition.store, without=kept)
    marks = {
        name: int(store.mark[row] & ~np.uint8(1))
        for store in (again.store, partition.store)
        for row, name in enumerate(store.keys)
    }
    assert set(marks.values()) <= {0}  # nothing is left to look at, in either


def test_full_hours_of_odd_ticks():
    """Everybody is evaluated at ticks that are full hours; of six-hourly ticks that is each, of five-minute ones every twelfth."""
    assert last_full_hour(START + 59 * 60_000, 60_000) == START
    assert last_full_hour(START + 7 * HOUR, 6 * HOUR) == START + 6 * HOUR
    assert last_full_hour(START + 5 * HOUR, 90 * 60_000) == START + 3 * HOUR
    assert last_full_hour(-1, HOUR) == -1
