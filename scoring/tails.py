"""The tails of a store: encoded until somebody reads them, and encoded again when too many are not.

A decoded tail takes about fifteen times the memory of its bytes and slows every full garbage collection.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from scoring.tail import Tail
from scoring.times import DAY

TOLD: Final = 1
"""What the tail holds is told by the other bits; without it, nobody knows before it is decoded."""
HELD: Final = 2
"""Events wait in the tail."""
ALERTS: Final = 4
"""A rule is not at rest, or was a day ago."""
MOST_DECODED: Final = 8_192
"""Decoded tails that a worker keeps, about, over all its partitions."""
_RECENT: Final = DAY


class Packed(NamedTuple):
    """An encoded tail and the bits that say what is in it."""

    data: bytes
    bits: int


NOTHING: Final = Packed(b"", TOLD)


_BLANK: Final = Tail()


class Tails:
    """Row to tail. What `get` and `[]` return may be changed only after `change` was called."""

    def __init__(self) -> None:
        self._decoded: dict[int, Tail] = {}
        self._packed: dict[int, Packed] = {}
        """Of rows whose tail did not change since: a row is here, or in `_decoded`, or in both."""
        self.most_decoded = MOST_DECODED

    def change(self, row: int) -> Tail:
        """The tail of a row to change, made when there is none."""
        packed, tail = self._packed.pop(row, None), self._decoded.get(row)
        if tail is None:
            tail = self._decoded[row] = Tail() if packed is None else Tail.decode(packed.data)
        return tail

    def get(self, row: int, default: Tail) -> Tail:
        """The tail of a row to read, `default` when there is none."""
        if row not in self:
            return default
        return self[row]

    def glance(self, row: int) -> Tail:
        """The tail of a row to read once: it is not remembered as decoded."""
        tail = self._decoded.get(row)
        if tail is not None:
            return tail
        packed = self._packed.get(row, NOTHING)
        return Tail.decode(packed.data) if packed.data else _BLANK

    def __getitem__(self, row: int) -> Tail:
        tail = self._decoded.get(row)
        if tail is None:
            tail = self._decoded[row] = Tail.decode(self._packed[row].data)
        return tail

    def __setitem__(self, row: int, tail: Tail) -> None:
        self._packed.pop(row, None)
        self._decoded[row] = tail

    def __contains__(self, row: int) -> bool:
        return row in self._decoded or row in self._packed

    def drop(self, row: int) -> None:
        """Forget the tail of a row, if there is one."""
        self._packed.pop(row, None)
        self._decoded.pop(row, None)

    def put(self, row: int, packed: Packed) -> None:
        """Put back what was encoded; without TOLD it is decoded to see what it holds."""
        self._decoded.pop(row, None)
        if not packed.bits & TOLD:
            tail = self._decoded[row] = Tail.decode(packed.data)
            packed = Packed(packed.data, _bits(tail, 0))
        self._packed[row] = packed

    def pack(self, row: int, tick: int) -> Packed:
        """The encoded form as it stands; `tick` is the last one that the row was evaluated at."""
        packed = self._packed.get(row)
        if packed is None:
            tail = self._decoded.get(row)
            if tail is None:
                return NOTHING
            packed = self._packed[row] = Packed(tail.encode(), _bits(tail, tick))
        return packed

    def holding(self, bit: int) -> Iterator[tuple[int, Tail]]:
        """Rows whose tail may hold something, by its bit, and their tails."""
        rows = [row for row, packed in self._packed.items() if packed.bits & bit]
        rows += [row for row in self._decoded if row not in self._packed]
        for row in rows:
            yield row, self[row]

    def shrink(self) -> None:
        """Let go of decoded tails, the longest known first, until there are few enough; only what was packed can go."""
        surplus = len(self._decoded) - self.most_decoded
        if surplus > 0:
            clean = (row for row in self._decoded if row in self._packed)
            for row in list(islice(clean, surplus)):
                del self._decoded[row]


def _bits(tail: Tail, tick: int) -> int:
    alerts = bool(tail.facts) or any(
        level.phase or level.told > tick - _RECENT for level in tail.levels.values()
    )
    return TOLD | (HELD if tail.held else 0) | (ALERTS if alerts else 0)
