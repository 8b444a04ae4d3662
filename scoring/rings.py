"""The buckets of all accounts of a partition: narrow elements, and wide rows for the few that need them.

Nearly all buckets hold little (docs/adr/0033-narrow-rings.md). An account of which one holds more than the narrow type
can gets a row of the widest type; the others stay as they are, so nothing of the size of all accounts is ever copied.
"""

from __future__ import annotations

import math
import mmap
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.layout import MATRICES, NARROW, RINGS, Ring
from scoring.times import Int64

_FIRST_ROOM: Final = 8
"""Wide rows that there is room for at first; nobody has the first of them."""


def reserve(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Zeros that take memory page by page, as they are written to.

    NumPy asks the kernel for huge pages, each of which is cleared when it is first touched: recovery took twice
    the CPU and more, which the little they save in folding does not make up for (docs/adr/0032-small-pages.md).
    """
    memory = mmap.mmap(
        -1, math.prod(shape) * dtype.itemsize or 1, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    )
    return np.frombuffer(memory, dtype, math.prod(shape)).reshape(shape)


class Rings:
    """One matrix of `scoring.layout.MATRICES`, a row an account. No bucket holds less than 0."""

    def __init__(self, matrix: str, capacity: int) -> None:
        self._width, self._kind = MATRICES[matrix]
        self._own = [ring for ring in RINGS.values() if ring.matrix == matrix]
        self._narrow = reserve((capacity, self._width), NARROW[matrix])
        self._most = int(np.iinfo(NARROW[matrix]).max)
        self._wide = np.zeros((_FIRST_ROOM, self._width), self._kind)
        self._place = np.zeros(capacity, np.int32)
        """Row of `_wide` by account, the first of which nobody has: 0 is for those whose buckets are in `_narrow`."""
        self.wide_rows = 0
        """Accounts that have a wide row."""

    def grow(self, capacity: int, n: int) -> None:
        """Make room; the first `n` accounts are known."""
        narrow, place = self._narrow, self._place
        self._narrow = reserve((capacity, self._width), narrow.dtype)
        self._place = np.zeros(capacity, np.int32)
        self._narrow[:n], self._place[:n] = narrow[:n], place[:n]

    def narrowest(self, most: int) -> np.dtype[Any]:
        """The narrow type if it holds `most`, else the wide one."""
        return self._narrow.dtype if most <= self._most else self._kind

    def __getitem__(self, at: int | slice | Int64) -> NDArray[Any]:
        """The buckets of an account, or of several (a slice without a step): wide if one of them is.

        Not to be changed.
        """
        values: NDArray[Any] = self._narrow[at]
        if not self.wide_rows:
            return values
        place = self._place[at]
        if isinstance(at, int | np.integer):
            return self._wide[place] if place else values
        if place.any():
            values = values.astype(self._kind)
            values[place > 0] = self._wide[place[place > 0]]
        return values

    def put(self, rows: Int64, values: NDArray[Any]) -> None:
        """Replace the buckets of different accounts."""
        if values.dtype != self._narrow.dtype:
            self._widen(rows[(values > self._most).any(axis=1)])
        if self.wide_rows and (wide := self._place[rows] > 0).any():
            self._wide[self._place[rows[wide]]] = values[wide]
            rows, values = rows[~wide], values[~wide]
        self._narrow[rows] = values

    def clear(self, row: int) -> None:
        """Nothing in any bucket of an account."""
        self._narrow[row] = 0
        self._wide[self._place[row]] = 0

    def add(self, rows: Int64, columns: Int64, amounts: Int64) -> None:
        """Add to buckets, each by account and column; one may come several times."""
        if self.wide_rows and (wide := self._place[rows] > 0).any():
            cells = self._place[rows[wide]].astype(np.int64) * self._width + columns[wide]
            np.add.at(self._wide.reshape(-1), cells, amounts[wide])
            rows, columns, amounts = rows[~wide], columns[~wide], amounts[~wide]
        flat = self._narrow.reshape(-1)  # one computed index is several times cheaper than two
        cells = rows * self._width + columns
        if int(flat[cells].max(initial=0)) + int(amounts.sum()) > self._most and self._outgrow(
            cells, amounts
        ):
            self.add(rows, columns, amounts)
        else:
            np.add.at(flat, cells, amounts.astype(flat.dtype))

    def _outgrow(self, cells: Int64, amounts: Int64) -> bool:
        """Whether some accounts outgrow the narrow type by these amounts; they have wide rows then."""
        different, which = np.unique(cells, return_inverse=True)
        held = self._narrow.reshape(-1)[different].astype(np.int64)
        np.add.at(held, which, amounts)
        outgrown = np.unique(different[held > self._most] // self._width)
        self._widen(outgrown)
        return len(outgrown) > 0

    def count(self, row: int, column: int, amount: int, most: int) -> None:
        """Add to one bucket, which then holds 0 to `most`."""
        place = self._place.item(row)
        held = self._wide.item(place, column) if place else self._narrow.item(row, column)
        value = max(0, min(held + amount, most))
        if not place and value > self._most:
            self._widen(np.array([row]))
            place = self._place.item(row)
        if place:
            self._wide[place, column] = value
        else:
            self._narrow[row, column] = value

    def count_all(self, rows: Int64, columns: Int64, most: int) -> None:
        """One more in each of these buckets, as `count` would, one after the other."""
        if self.wide_rows and (wide := self._place[rows] > 0).any():
            for row, column in zip(rows[wide].tolist(), columns[wide].tolist(), strict=True):
                self.count(row, column, 1, most)
            rows, columns = rows[~wide], columns[~wide]
        cells, amounts = np.unique(rows * self._width + columns, return_counts=True)
        flat = self._narrow.reshape(-1)
        counted = np.minimum(flat[cells] + amounts, most)
        if int(counted.max(initial=0)) > self._most and self._outgrow(cells, amounts):
            self.count_all(rows, columns, most)
        else:
            flat[cells] = counted

    def roll(self, n: int, day: int, today: int) -> None:
        """Clear the buckets of the first `n` accounts that begin after `day`, up to `today`."""
        for ring in self._own:
            roll_ring(self._narrow[:n], ring, day, today)
            roll_ring(self._wide, ring, day, today)

    def _widen(self, rows: Int64) -> None:
        """Wide rows for those of these different accounts that have none."""
        rows = rows[self._place[rows] == 0]
        first, end = self.wide_rows + 1, self.wide_rows + 1 + len(rows)
        if end > len(self._wide):
            grown = np.zeros((max(end, 2 * len(self._wide)), self._width), self._kind)
            grown[:first] = self._wide[:first]
            self._wide = grown
        self._wide[first:end] = self._narrow[rows]
        self._narrow[rows] = 0
        self._place[rows] = np.arange(first, end)
        self.wide_rows += len(rows)


def roll_ring(matrix: NDArray[Any], ring: Ring, day: int, today: int) -> None:
    """Clear the buckets of a ring that begin after `day`, up to `today`, in all rows of its matrix."""
    for bucket in begun(day // ring.days, today // ring.days, ring.size):
        column = matrix[:, ring.offset + bucket % ring.size]
        if column.any():  # memory that was never written to stays unclaimed
            column[:] = 0


def begun(old: int, new: int, size: int) -> range:
    """Units after `old` up to `new`, those that a ring of `size` still reaches back to."""
    return range(max(old, new - size) + 1, new + 1)
