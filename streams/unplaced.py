"""Rows that recovery has read and not put into live state yet, of all partitions.

A changelog holds what was not compacted: of a busy account a row for every second. Putting one back takes many times
what reading over it takes, so only the newest of those that are here at a time are put back.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

MOST_BYTES: Final = 64 << 20
"""Values that wait at most, before some of the partition with the most are put back."""
_SLICE: Final = 1024
"""Rows put back at once: more, and what is worked on leaves the processor's cache."""

Rows = Sequence[tuple[bytes, bytes | None]]
"""Keys and values in log order; None is a tombstone."""


class Unplaced:
    """By partition and key, the newest row that waits."""

    def __init__(self, place: Callable[[int, Rows], None], most_bytes: int = MOST_BYTES) -> None:
        """`place` puts rows of a partition number, each of another key, into its live state."""
        self._place = place
        self._most_bytes = most_bytes
        self._rows: dict[int, dict[bytes, bytes | None]] = defaultdict(dict)
        self._bytes = Counter[int]()

    def add(self, number: int, rows: Rows) -> None:
        """Rows that follow those added before."""
        newest, grown = self._rows[number], 0
        for key, value in rows:
            grown += len(value or b"") - len(newest.pop(key, None) or b"")
            newest[key] = value  # as the last one
        self._bytes[number] += grown
        while self._bytes.total() > self._most_bytes:
            self._place_first(max(self._bytes, key=self._bytes.__getitem__))

    def place(self, number: int) -> None:
        """Put back all that waits of a partition."""
        while self._rows[number]:
            self._place_first(number)

    def _place_first(self, number: int) -> None:
        """Those of a partition that wait for the longest time."""
        newest = self._rows[number]
        rows = list(islice(newest.items(), _SLICE))
        for key, value in rows:
            del newest[key]
            self._bytes[number] -= len(value or b"")
        self._place(number, rows)

    def drop(self, number: int) -> None:
        """Forget what waits of a partition."""
        self._rows.pop(number, None)
        del self._bytes[number]  # a Counter does not mind if it is not there
