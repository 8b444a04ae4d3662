"""The changelog row: its size, its version, and what tombstones and newer versions do."""

import numpy as np
import pytest

from scoring.layout import HOT, MATRICES
from scoring.row import ROW_VERSION, RowVersionError, encode_rows, restore_rows
from scoring.state import Store
from scoring.times import DAY, UNSET
from tests.property.feeds import START, event, folded, tell

HEAD = 8


@pytest.mark.parametrize(
    ("quantities", "width"),
    [
        ([], 0),
        ([1], 1),
        ([255], 1),
        ([256], 2),
        ([65_536], 4),
        ([4_294_967.296], 8),
        ([0.001], 1),
        ([0.256], 2),
        ([1, 0.5], 2),
        ([70.5], 4),
    ],
)
def test_ring_takes_the_bytes_it_needs(quantities, width):
    """A usage ring is stored in the narrowest of 1, 2, 4 or 8 bytes a day, in whole units where it has no fractions, and is exact."""
    events = [event("account", START, action="created")]
    events += [event("usage", START - n * DAY, quantity=q) for n, q in enumerate(quantities)]
    store = tell(events, START + DAY).store
    store.tails.drop(0)
    [(key, row)] = encode_rows(store, np.array([0]))
    assert (key, len(row)) == (b"acme", HEAD + HOT.itemsize + 128 * width)
    again = Store()
    restore_rows(again, [(key, row)])
    assert (again.rings["usage"][0] == store.rings["usage"][0]).all()


def test_newer_version_is_refused():
    """A row that a newer release wrote stops a downgrade before anything is read, with both versions named."""
    store = tell([event("usage", START)], START + DAY).store
    [(key, row)] = encode_rows(store, np.array([0]))
    with pytest.raises(RowVersionError, match=f"version {ROW_VERSION + 1}.*up to {ROW_VERSION}"):
        restore_rows(Store(), [(key, bytes([ROW_VERSION + 1]) + row[1:])])


def test_tombstone_and_newest():
    """Of several records of a key the newest stands; a tombstone leaves an account of which nothing is known."""
    first = tell([event("usage", START, quantity=1)], START + DAY).store
    second = tell([event("usage", START, quantity=2)], START + DAY).store
    pairs = [encode_rows(s, np.array([0]))[0] for s in (first, second)]
    again = Store()
    restore_rows(again, pairs)
    assert folded(again) == folded(second)
    restore_rows(again, [(b"acme", None)])
    assert again.hot["first_ts"][0] == UNSET
    assert all(not again.rings[m][0].any() for m in MATRICES)
    assert folded(again) == {}


def test_store_grows():
    """Thousands of accounts keep their rows while the columns grow under them."""
    store = Store(capacity=2)
    for i in range(5000):
        row = store.row(str(i).encode())
        store.hot["seats"][row] = i
    assert store.hot["seats"][: store.n].tolist() == list(range(5000))
