"""The toy job on our own transport: a partition of its own plugged into the product's worker, observed as that is.

`python -m bench.peers.own FILE`, settings from the environment.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.observed import Board, attach
from bench.peers.toy import HOURS, decode, hour
from scoring.events import SOURCES
from streams import worker as role
from streams.app import Worker
from streams.records import Records
from streams.settings import Settings
from streams.unknown_fields import UnknownFields

_BLOCK: Final = 512
ROW: Final = np.dtype(
    [("events", "<i8"), ("units", "<i8"), ("head", "<i8"), ("score", "<f8"), ("buckets", "<i4", HOURS), ("fence", "<i8", len(SOURCES))]
)  # fmt: skip
"""One row of the changelog."""
_ALL: Final = frozenset(range(len(SOURCES)))


def decode_row(value: bytes) -> np.void:
    """A row as it was written."""
    row: np.void = np.frombuffer(value, ROW)[0]
    return row


@dataclass
class Totals:
    """Counters of the process."""

    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    unknown: UnknownFields = field(default_factory=UnknownFields)
    transitions: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    rules: Sequence[str] = ()
    ticks: int = 0


@dataclass
class Context:
    """What the worker wants to know of the scoring."""

    totals: Totals = field(default_factory=Totals)
    model_hash: str = "toy"


class ToyPartition:
    """Accounts as columns; folds when it is fed, as it needs no clock, and scores whoever a batch touched."""

    clock_ms = -1
    scores_pending = False
    held_back = False
    alerts_pending = False
    rows_pending = 0

    def __init__(self, number: int, context: Context) -> None:
        self.number = number
        self._totals = context.totals
        self._index: dict[bytes, int] = {}
        self._keys: list[bytes] = []
        self.rows = np.zeros(1024, ROW)
        self._dirty = np.zeros(1024, np.bool_)
        self._taken: dict[int, int] = {}

    def _row(self, key: bytes) -> int:
        row = self._index[key] = len(self._keys)
        self._keys.append(key)
        if row == len(self.rows):
            self.rows = np.concatenate([self.rows, np.zeros_like(self.rows)])
            self._dirty = np.concatenate([self._dirty, np.zeros_like(self._dirty)])
        self.rows["fence"][row] = -1
        return row

    def _rows_of(self, keys: Sequence[bytes]) -> NDArray[np.int64]:
        rows = list(map(self._index.get, keys))
        if None in rows:
            rows = [self._index[key] if key in self._index else self._row(key) for key in keys]
        return np.array(rows, np.int64)

    def restore(self, rows: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Rows of the changelog."""
        for key, value in rows:
            if value is not None:
                row = self._index.get(key)
                self.rows[self._row(key) if row is None else row] = decode_row(value)

    def slowest(self, now_ms: int, idle: Set[int]) -> Set[int]:
        """Nobody waits for another."""
        del now_ms, idle
        return _ALL

    def seen(self, source: int) -> int:
        """The greatest offset applied."""
        return int(self.rows["fence"][: len(self._keys), source].max(initial=-1))

    def resume(self, source: int, metadata: str) -> None:
        """There is no clock to resume."""

    def takeover(self) -> None:
        """Nothing waits."""

    def feed(self, source: int, records: Records) -> None:
        """Fold a batch; what the changelog already holds is skipped."""
        at, offsets, values = self._rows_of(records.keys), records.offsets, records.values  # type: ignore[arg-type]
        fresh = offsets > self.rows["fence"][at, source]
        applied = int(fresh.sum())
        self._taken[source] = int(offsets[-1]) + 1
        counts = self._totals.events
        counts[SOURCES[source], "applied"] += applied
        counts[SOURCES[source], "replayed"] += len(records) - applied
        if applied < len(records):
            values = [value for value, new in zip(values, fresh.tolist(), strict=True) if new]
            at, offsets = at[fresh], offsets[fresh]
        if applied:
            events = [decode(value) for value in values]  # type: ignore[arg-type] # the load has no tombstones
            quantities = np.array([e.quantity for e in events], np.int64)
            self.rows["fence"][at, source] = offsets  # ascending: the last assignment wins
            self._fold(at, np.array([hour(e.ts) for e in events], np.int64), quantities)

    def _fold(self, at: NDArray[np.int64], hours: NDArray[np.int64], quantities: NDArray[np.int64]) -> None:
        rows = self.rows
        np.add.at(rows["events"], at, 1)
        np.add.at(rows["units"], at, quantities)
        for now in np.unique(hours).tolist():
            here = hours == now
            self._turn(at[here], now)
            kept = here & (rows["head"][at] - HOURS < now)
            np.add.at(rows["buckets"][:, now % HOURS], at[kept], quantities[kept])
        some = np.unique(at)
        self._dirty[some] = True
        buckets, head = rows["buckets"][some], rows["head"][some]
        newest = buckets[np.arange(len(some)), head % HOURS]
        rows["score"][some] = (
            0.5 * np.minimum(1.0, buckets.sum(axis=1) / 500) + 0.3 * np.minimum(1.0, newest / 50) + 0.2
        )

    def _turn(self, at: NDArray[np.int64], now: int) -> None:
        """Empty the buckets of the hours that have begun since the newest one of each account."""
        head = self.rows["head"]
        behind = np.unique(at[head[at] < now])
        for begun in range(max(int(head[behind].min(initial=now)) + 1, now - HOURS + 1), now + 1):
            self.rows["buckets"][behind[head[behind] < begun], begun % HOURS] = 0
        head[behind] = now

    def queued(self, source: int) -> int:
        """Nothing waits."""
        return 0

    def advance(self, now_ms: int, idle: Set[int]) -> Iterator[None]:
        """Time changes nothing."""
        return iter(())

    @property
    def pending(self) -> bool:
        """Whether rows changed."""
        return bool(self._dirty.any())

    def fold_meanwhile(self) -> bool:
        return False

    def positions(self) -> dict[int, tuple[int, str]]:
        """Next offset of each source."""
        return {source: (offset, "") for source, offset in self._taken.items()}

    def score_blocks(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """The score is part of the row."""
        return iter(())

    def row_blocks(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """Changed rows."""
        rows, size = np.flatnonzero(self._dirty), ROW.itemsize
        for start in range(0, len(rows), _BLOCK):
            some = rows[start : start + _BLOCK]
            self._dirty[some] = False
            data = self.rows[some].tobytes()
            yield [(self._keys[row], data[i * size : (i + 1) * size]) for i, row in enumerate(some.tolist())]

    def drain_alerts(self) -> list[tuple[bytes, bytes]]:
        """None."""
        return []

    def drain_dead_letters(self) -> list[tuple[bytes | None, bytes]]:
        """None."""
        return []

    def bands(self) -> Counter[tuple[str, str]]:
        """None."""
        return Counter()

    @property
    def accounts(self) -> int:
        """Accounts known."""
        return len(self._keys)


def create(settings: Settings, board: Board) -> Worker:
    """The worker with toy partitions, observed."""
    context = Context()
    worker = Worker(settings, context, lambda number: ToyPartition(number, context))
    attach(worker, board, context.totals)
    return worker


if __name__ == "__main__":
    shared = Board(Path(sys.argv[1]))
    code = role.run(Settings(), lambda settings: create(settings, shared))
    sys.stderr.flush()
    os._exit(code)
