"""Accounts of a tick in pieces."""

import numpy as np
import pytest

from streams.ticking import slices


@pytest.mark.parametrize("n", [0, 1, 1_250, 1_536, 1_537, 45_000])
def test_pieces_are_alike_and_none_holds_the_loop_for_long(n: int) -> None:
    """All rows come once and in order, in as few pieces of 1,536 or fewer as do, whose sizes differ by one at most."""
    rows = 3 * np.arange(n)
    pieces = list(slices(rows))
    sizes = [len(piece) for piece in pieces]
    assert [row for piece in pieces for row in piece.tolist()] == rows.tolist()
    assert len(pieces) == -(-n // 1_536)
    assert max(sizes, default=0) - min(sizes, default=0) <= 1
