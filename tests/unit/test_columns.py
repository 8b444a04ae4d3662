"""Fields of rows that were turned on their side."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.columns import _PLACES, Columns, _places
from scoring.layout import HOT


@pytest.mark.parametrize("n", [1, 3, 70])
def test_turned_fields_are_those_of_the_rows(n):
    """Every field reads as in the rows, whichever of its block was asked for first; scalars are 64 bits with a sign."""
    random = np.random.default_rng(n)
    hot = np.frombuffer(random.bytes(n * HOT.itemsize), HOT)
    names = random.permutation(sorted(_PLACES)).tolist()
    columns = Columns(hot)
    for name in names:
        assert (columns.vector(name) == hot[name].reshape(n, -1).T).all(), name
        assert columns.vector(name).dtype.itemsize == 8
    for name in ("flags", "tier", "seats", "first_ts", "score"):
        assert (columns.scalar(name) == hot[name]).all(), name
        assert columns.scalar(name).dtype == np.int64
    assert (columns.scalar("flags") == hot["flags"]).all()  # asked for again


def test_a_block_is_of_one_type():
    """Fields of several types cannot be turned at once."""
    with pytest.raises(TypeError, match="several types"):
        _places("mrr", "recent_ids")
