"""The product's own worker with an observer in its event loop: `python -m bench.observed FILE`, settings from the environment.

Every 10 ms the observer writes what the worker did and used into a small shared file, and how late it was called itself. That
costs about 0.2 % of a core; scraping /metrics costs more the more accounts there are, and would be measured with the rest.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import numpy as np

from streams import worker as role
from streams.app import Worker
from streams.context import build_context
from streams.pipeline import Partition
from streams.settings import Settings

EVERY_S: Final = 0.01
_SELDOM: Final = 50
"""Looking for changed rows goes over all accounts: done at every so many snapshots."""
LAG_BINS: Final = 5000
"""Bins of 1 ms; the last one holds everything later."""


class Snapshot(NamedTuple):
    """What a worker did until a moment: wall and CPU in seconds, the rest counts."""

    wall: float = 0.0
    cpu: float = 0.0
    events: float = 0.0
    first_event: float = 0.0
    """Wall time at which the first event was seen to be folded; 0 before."""
    rows: float = 0.0
    """Changelog rows restored."""
    first_row: float = 0.0
    last_row: float = 0.0
    commits: float = 0.0
    live: float = 0.0
    """Partitions owned and recovered."""
    ticks: float = 0.0
    committed: float = 0.0
    """1 if nothing was left to write or to commit when that was looked at last."""


_running: set[asyncio.Task[None]] = set()
"""The loop itself holds tasks only weakly."""
_FIELDS: Final = len(Snapshot._fields)


class Board:
    """The shared file: a sequence number, a snapshot, and a histogram of delays."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        if create:
            np.zeros(1 + _FIELDS + LAG_BINS).tofile(path)
        self._cells = np.memmap(path, np.float64, "r+")

    def write(self, snapshot: Snapshot, lag_s: float) -> None:
        """Replace the snapshot and count a delay; an odd sequence number says that this is under way."""
        self._cells[0] += 1
        self._cells[1 : 1 + _FIELDS] = snapshot
        self._cells[1 + _FIELDS + min(LAG_BINS - 1, max(0, int(lag_s * 1000)))] += 1
        self._cells[0] += 1

    def read(self) -> Snapshot:
        """A whole snapshot."""
        while True:
            before = self._cells[0]
            cells = self._cells[1 : 1 + _FIELDS].tolist()
            if before % 2 == 0 and before == self._cells[0]:
                return Snapshot(*cells)
            time.sleep(0.0005)

    def lags(self) -> np.ndarray:
        """How often the observer was called how many milliseconds late, since the start."""
        return np.array(self._cells[1 + _FIELDS :])


async def observe(board: Board, take: Callable[[Snapshot], Snapshot]) -> None:
    """Write snapshots for ever."""
    last = Snapshot()
    while True:
        due = time.monotonic() + EVERY_S
        await asyncio.sleep(EVERY_S)
        last = take(last)
        board.write(last, time.monotonic() - due)


class Totals(Protocol):
    """Counters of a worker's scoring."""

    events: Counter[tuple[str, str]]
    ticks: int


def attach(worker: Worker, board: Board, totals: Totals) -> None:
    """Let an observer run in the worker's loop. Call it in that loop."""

    looks = itertools.count()

    def written() -> float:
        return float(
            worker.intake.uncommitted == 0 and not any(s.pending for s in worker.table.live().values())
        )

    def take(last: Snapshot) -> Snapshot:
        now, events, rows = time.monotonic(), sum(totals.events.values()), worker.table.rows_restored
        return Snapshot(
            wall=now, cpu=time.process_time(), events=events, first_event=last.first_event or (now if events else 0.0),
            rows=rows, first_row=last.first_row or (now if rows else 0.0),
            last_row=now if rows > last.rows else last.last_row, commits=worker.flush.durations.count,
            live=len(worker.table.live()), ticks=totals.ticks, committed=written() if next(looks) % _SELDOM == 0 else last.committed,
        )  # fmt: skip

    _running.add(asyncio.get_running_loop().create_task(observe(board, take)))


def create(settings: Settings, board: Board) -> Worker:
    """The product's worker, observed."""
    context = build_context(settings)
    worker = Worker(settings, context, lambda number: Partition(number, context))
    attach(worker, board, context.totals)
    return worker


if __name__ == "__main__":
    shared = Board(Path(sys.argv[1]))
    code = role.run(Settings(), lambda settings: create(settings, shared))
    sys.stderr.flush()
    os._exit(code)
