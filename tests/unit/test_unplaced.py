"""Rows that wait in recovery: what is put back in the end is the newest of each key, whatever was put back on the way."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from streams.unplaced import Unplaced

KEYS = st.sampled_from([b"acme", b"globex", b"initech", b"umbrella"])
ROWS = st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=9)), max_size=12)


@given(st.lists(st.tuples(st.integers(0, 2), ROWS)), st.integers(0, 60))
def test_the_newest_row_of_each_key_is_put_back(read, most):
    """For any rows of any partitions and any limit: the state is that of the whole log, and what waits stays within the limit."""
    states: dict[int, dict] = defaultdict(dict)
    unplaced = Unplaced(lambda number, rows: states[number].update(rows), most)
    wanted: dict[int, dict] = defaultdict(dict)
    for number, rows in read:
        unplaced.add(number, rows)
        wanted[number].update(rows)
        waiting = {n: wanted[n].items() - states[n].items() for n in wanted}
        assert sum(len(value or b"") for rows in waiting.values() for _, value in rows) <= most
    for number in range(3):
        unplaced.place(number)
    assert {n: state for n, state in states.items() if state} == {n: w for n, w in wanted.items() if w}


def test_replaced_rows_are_never_put_back():
    """A row that a newer one of its key replaced while it waited is not put back, and each key is put back once."""
    placed: list[tuple[bytes, bytes | None]] = []
    unplaced = Unplaced(lambda _, rows: placed.extend(rows))
    for n in range(3000):
        unplaced.add(0, [(b"account-%d" % (n % 1500), b"%d" % n), (b"\0clock", b"%d" % n)])
    assert placed == []
    unplaced.place(0)
    assert sorted(placed) == sorted(
        [(b"\0clock", b"2999"), *((b"account-%d" % n, b"%d" % (n + 1500)) for n in range(1500))]
    )


def test_what_is_dropped_is_not_put_back():
    """Rows of a partition that was lost before its recovery ended are forgotten; those of others are not."""
    placed: list[int] = []
    unplaced = Unplaced(lambda number, rows: placed.extend([number] * len(rows)))
    unplaced.add(0, [(b"acme", b"1")])
    unplaced.add(1, [(b"globex", b"1")])
    unplaced.drop(0)
    unplaced.place(0)
    unplaced.place(1)
    assert placed == [1]
