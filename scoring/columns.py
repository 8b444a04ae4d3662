"""The hot rows of some accounts turned on their side: a field is contiguous then, an account a column.

In rows, the next account's value of a field is 1,600 bytes away (docs/adr/0046-columns-are-turned.md).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.layout import HOT
from scoring.times import Int64


class _Block(NamedTuple):
    """Neighbouring fields of one element type, turned at once: the columns of a row, seen as such elements."""

    kind: str
    first: int
    end: int


class _Place(NamedTuple):
    """Where a field is in its block."""

    block: _Block
    first: int
    width: int


_FIELDS: Final = dict(HOT.fields or {})


def _element(name: str) -> tuple[np.dtype[Any], int, int]:
    """Element type of a field, where its elements begin in a row, and how many there are."""
    field, at = _FIELDS[name][:2]
    base = field.base
    return base, at // base.itemsize, field.itemsize // base.itemsize


def _places(first: str, last: str) -> dict[str, _Place]:
    """The fields from one to another, all of one type."""
    names = list(_FIELDS)
    some = names[names.index(first) : names.index(last) + 1]
    kinds = {_element(name)[0].str for name in some}
    begin, (_, end, width) = _element(first)[1], _element(last)
    block = _Block(kinds.pop(), begin, end + width)
    if kinds:
        raise TypeError(f"fields from {first} to {last} are of several types")
    return {name: _Place(block, _element(name)[1] - begin, _element(name)[2]) for name in some}


_PLACES: Final = (
    _places("last_seen", "mrr") | _places("users", "alerts") | _places("day", "coverage")
)  # what evaluating and rules ask for; the rest is not worth turning


class Columns:
    """Fields of n hot rows; what is returned must not be changed."""

    def __init__(self, hot: NDArray[Any]) -> None:
        """`hot` is contiguous, and not empty."""
        self._hot = hot
        self._turned: dict[_Block, NDArray[Any]] = {}
        self._cast: dict[str, Int64] = {}

    def scalar(self, name: str) -> Int64:
        """A field with one value, (n,), as int64."""
        if name in _PLACES:
            value: Int64 = self.vector(name)[0]
            return value
        known = self._cast.get(name)
        if known is None:
            known = self._cast[name] = self._hot[name].astype(np.int64)
        return known

    def vector(self, name: str) -> NDArray[Any]:
        """A field with several values, (width, n); 64 bits, without a sign only where it has none."""
        block, first, width = _PLACES[name]
        turned = self._turned.get(block)
        if turned is None:
            flat = self._hot.view(block.kind).reshape(len(self._hot), -1)[:, block.first : block.end].T
            wide = np.uint64 if np.dtype(block.kind).kind == "u" else np.int64
            turned = self._turned[block] = flat.astype(wide, order="C")
        return turned[first : first + width]
