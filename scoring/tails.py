"""The tails of a store: encoded until somebody reads them, and encoded again when too many are not.

A decoded tail takes about fifteen times the memory of its bytes and slows every full garbage collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.tail import Tail
from scoring.times import DAY

TOLD: Final = 1
"""What the tail holds is told by the other bits; without it, nobody knows before it is decoded."""
HELD: Final = 2
"""Events wait in the tail."""
ALERTS: Final = 4
"""A rule is not at rest, or was a day ago."""
MOST_DECODED: Final = 5_120
"""Decoded tails that a worker keeps, about, over all its partitions."""
_SLACK: Final = 8
"""One part in so many more may be decoded before some are let go of."""
_RECENT: Final = DAY


_BLANK: Final = Tail()


class Tails:
    """Row to tail. What `get` and `[]` return may be changed only after `change` was called."""

    def __init__(self) -> None:
        self._decoded: dict[int, Tail] = {}
        self._packed: list[bytes | None] = []
        """By row, of those whose tail did not change since: a tail is here, or in `_decoded`, or in both."""
        self._bits = np.zeros(0, np.uint8)
        """What is in the tails of `_packed`, by row; no objects, which the garbage collector would have to look at."""
        self.most_decoded = MOST_DECODED

    def change(self, row: int) -> Tail:
        """The tail of a row to change, made when there is none."""
        packed, tail = self._packed_of(row), self._decoded.get(row)
        if packed is not None:
            self._packed[row] = None
        if tail is None:
            tail = self._decoded[row] = Tail() if packed is None else Tail.decode(packed)
        return tail

    def get(self, row: int, default: Tail) -> Tail:
        """The tail of a row to read, `default` when there is none."""
        tail = self._decoded.get(row)
        if tail is None:
            packed = self._packed_of(row)
            if packed is None:
                return default
            tail = self._decoded[row] = Tail.decode(packed)
        return tail

    def glance(self, row: int) -> Tail:
        """The tail of a row to read once: it is not remembered as decoded."""
        tail = self._decoded.get(row)
        if tail is not None:
            return tail
        packed = self._packed_of(row)
        return Tail.decode(packed) if packed else _BLANK

    def __getitem__(self, row: int) -> Tail:
        tail = self.get(row, _BLANK)
        if tail is _BLANK:
            raise KeyError(row)
        return tail

    def __setitem__(self, row: int, tail: Tail) -> None:
        self._reach(row)
        self._packed[row] = None
        self._decoded[row], self._bits[row] = tail, _look(tail, 0)

    def __contains__(self, row: int) -> bool:
        return row in self._decoded or self._packed_of(row) is not None

    def _packed_of(self, row: int) -> bytes | None:
        return self._packed[row] if row < len(self._packed) else None

    def drop(self, row: int) -> None:
        """Forget the tail of a row, if there is one."""
        if row < len(self._packed):
            self._packed[row], self._bits[row] = None, 0
        self._decoded.pop(row, None)

    def put(self, row: int, packed: bytes, bits: int) -> None:
        """Put back what was encoded; without TOLD it is decoded to see what it holds."""
        self._decoded.pop(row, None)
        if not bits & TOLD:
            tail = self._decoded[row] = Tail.decode(packed)
            bits = _look(tail, 0)
        self._keep(row, packed, bits)

    def put_told(self, tails: Mapping[int, bytes], bits: NDArray[np.uint8]) -> None:
        """Put back what was encoded, row by row, of tails whose bits, in the same order, tell what is in them."""
        for row in tails.keys() & self._decoded.keys():
            del self._decoded[row]
        self._reach(max(tails, default=-1))
        self._bits[list(tails)] = bits
        for row, packed in tails.items():
            self._packed[row] = packed
            if not packed:
                self.drop(row)

    def pack(self, row: int, tick: int) -> bytes:
        """The encoded form as it stands; `tick` is the last one that the row was evaluated at."""
        packed = self._packed_of(row)
        if packed is None:
            tail = self._decoded.get(row)
            if tail is None:
                return b""
            packed = tail.encode()
            self._reach(row)
            self._keep(row, packed, _bits(tail, tick, self._bits.item(row)))
        return packed

    def pack_all(self, rows: Sequence[int], ticks: NDArray[np.int64]) -> list[bytes]:
        """The same for many rows."""
        self._reach(max(rows, default=-1))
        found = [self._packed[row] for row in rows]
        return [
            self.pack(row, ticks.item(i)) if packed is None else packed
            for i, (row, packed) in enumerate(zip(rows, found, strict=True))
        ]

    def bits(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """What is in the tails of rows that were just packed."""
        self._reach(int(rows.max(initial=-1)))
        return self._bits[rows] | np.uint8(TOLD)

    def _keep(self, row: int, packed: bytes, bits: int) -> None:
        self._reach(row)
        self._packed[row], self._bits[row] = packed, bits

    def _reach(self, row: int) -> None:
        if row >= len(self._bits):
            grown = np.zeros(max(row + 1, 2 * len(self._bits), 1024), np.uint8)
            grown[: len(self._bits)] = self._bits
            self._packed += [None] * (len(grown) - len(self._bits))
            self._bits = grown

    def holding(self, bit: int) -> Iterator[tuple[int, Tail]]:
        """Rows whose tail may hold something, by its bit, and their tails."""
        rows = [row for row in np.flatnonzero(self._bits & bit).tolist() if self._packed[row] is not None]
        rows += [row for row in self._decoded if self._packed_of(row) is None]
        for row in rows:
            yield row, self[row]

    def shrink(self, ticks: NDArray[np.int64]) -> None:
        """If there are too many decoded tails, encode and let go of those known longest; nobody may be changing one.

        `ticks` is the last one that each row was evaluated at.
        """
        surplus = len(self._decoded) - self.most_decoded
        if surplus > self.most_decoded // _SLACK:
            for row in list(islice(self._decoded, surplus)):
                self.pack(row, ticks.item(row))
                del self._decoded[row]


def _look(tail: Tail, tick: int) -> int:
    """What is in a tail; decodes what may have to wait."""
    recent = any(level.phase or level.told > tick - _RECENT for level in tail.levels.values())
    return TOLD | (HELD if tail.held else 0) | (ALERTS if tail.facts or recent else 0)


def _bits(tail: Tail, tick: int, before: int) -> int:
    """The same, where `before` tells what is in the parts that nobody read since: they need not be decoded."""
    if tail.knows("levels") or tail.knows("facts"):
        return _look(tail, tick)
    held = (HELD if tail.held else 0) if tail.knows("held") else before & HELD
    return TOLD | held | before & ALERTS
