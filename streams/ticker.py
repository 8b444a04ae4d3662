"""The tick under way in one partition: whom it concerns, who was evaluated, and who shall be before the others."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from scoring.fold.apply import forget
from scoring.layout import ENDED
from scoring.state import AWAITS, TOUCHED, Store
from scoring.times import HOUR, UNSET, Int64
from streams.folding import Folding
from streams.partition_context import Context
from streams.ticking import run_tick, score_events, slices, tick_lines, unscored

NEVER: Final = 2**62
"""Later than any time."""


class Ticker:
    """Runs the ticks of one partition."""

    def __init__(self, store: Store, context: Context, folding: Folding) -> None:
        self._store = store
        self._context = context
        self._folding = folding
        self._due: list[tuple[int, int]] = []
        """When the hold of a band is over, and the row; a heap that may hold times that do not apply any more."""
        self._tick = UNSET
        self._live: Mapping[str, bool] = {}

    def index_due(self) -> None:
        """After recovery: find again whose band is on hold."""
        due = self._store.hot["due"][: self._store.n]
        self._due = [(int(due[row]), row) for row in np.flatnonzero(due != UNSET).tolist()]
        heapq.heapify(self._due)

    @property
    def next_due(self) -> int:
        """When the first hold is over, in milliseconds; NEVER if there is none."""
        return self._due[0][0] if self._due else NEVER

    def run(self, tick: int, live: Mapping[str, bool]) -> Iterator[None]:
        """Terms, then everybody (at full hours) or those touched and due: score, band, alerts, history.

        Yields between slices. Until then AWAITS marks who was not evaluated; `live` tells which feeds speak.
        """
        store, self._tick, self._live = self._store, tick, live
        rows = self._concerned(tick)
        store.mark[rows] |= AWAITS
        yield
        for some in slices(unscored(store, rows)):
            score_events(store, some, self._context.scorer)
            yield
        for some in slices(rows):
            self.evaluate(some)
            yield

    def _concerned(self, tick: int) -> Int64:
        store = self._store
        while self._due and self._due[0][0] <= tick:
            _, row = heapq.heappop(self._due)
            if UNSET < store.hot["due"][row] <= tick:
                store.mark[row] |= TOUCHED
        forget(store)
        self._folding.turn_terms(tick)
        mark, hot = store.mark[: store.n], store.hot[: store.n]
        ended = hot["flags"] & ENDED != 0
        live = (hot["first_ts"] != UNSET) & ~ended & (hot["passed"] < tick)
        rows = np.flatnonzero(live if tick % HOUR == 0 else live & (mark & TOUCHED != 0))
        mark[ended] &= ~np.uint8(TOUCHED)
        return rows

    def evaluate(self, rows: Int64) -> None:
        """Evaluate those of the rows, each given once, that the tick has not reached yet."""
        store, context = self._store, self._context
        rows = rows[store.mark[rows] & AWAITS != 0]
        if not len(rows):
            return
        moved = unscored(store, rows)  # of those asked for before `run` got to them
        score_events(store, moved, context.scorer)
        alerts, f, e = run_tick(store, rows, context.scorer, context.alerts, self._tick, self._live)
        store.mark[rows] &= ~np.uint8(AWAITS)
        self._folding.tell(alerts)
        if context.tick_log is not None:
            context.tick_log(tick_lines(store, rows, f, e, context.model_hash))
        pending = rows[store.hot["due"][rows] != UNSET]
        for row, due in zip(pending.tolist(), store.hot["due"][pending].tolist(), strict=True):
            heapq.heappush(self._due, (due, row))
        store.shrink()
