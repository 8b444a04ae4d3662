"""Folding under the fence: what counts from the upcoming tick at once, the rest held in its row until then."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from alerts.model import Alert, encode_alert
from scoring.events import SOURCES, AnyEvent
from scoring.fold.apply import IN_TERM, TERM_CODES, fold
from scoring.layout import DAYS, ENDED
from scoring.state import ROW, TOUCHED, Store
from scoring.tail import Held
from scoring.tails import HELD
from scoring.times import DAY, UNSET, Int64
from streams.codec import CODE, decode_one
from streams.holding import held_bytes
from streams.partition_context import Context
from streams.source_queue import Chunk
from streams.ticking import end_account, start_term, turned_terms

Mask = NDArray[np.bool_]


class Folding:
    """Folds the events of one partition into its store; alerts about facts go to its outbox."""

    def __init__(self, store: Store, context: Context) -> None:
        self.store = store
        self._context = context
        self.last = UNSET
        """The tick before the one that events are folded for."""
        self.held: dict[int, list[tuple[int, Held]]] = defaultdict(list)
        """Tick to the events that count from it, with their rows."""
        self.alerts: list[tuple[bytes, bytes]] = []
        """Keys and values of the alerts that nobody was told yet."""

    def index_held(self) -> None:
        """After recovery: find again what waits in the rows."""
        for row, tail in self.store.tails.holding(HELD):
            for held in tail.held:
                self.held[held.tick].append((row, held))

    def accept(self, source: int, chunk: Chunk, upcoming: int) -> None:
        """Past the fence: fold now what counts from the upcoming tick, hold the rest in the row."""
        hot, rows = self.store.hot, chunk.rows
        fresh = chunk.offsets > hot["fence"][rows, source]
        ended = hot["flags"][rows] & ENDED != 0
        wait = (chunk.tick > upcoming) | (ended & IN_TERM[chunk.codes])
        hot["passed"][rows] = np.maximum(hot["passed"][rows], self.last)
        if fresh.all() and not wait.any():
            hot["fence"][rows, source] = chunk.offsets  # ascending offsets: the last assignment wins
            self.store.mark[rows] |= ROW
            self._fold(source, chunk.codes, rows, chunk.events, chunk.times)
        else:
            self._sort_out(source, chunk, upcoming, fresh, wait)
        self.store.shrink()

    def _sort_out(self, source: int, chunk: Chunk, upcoming: int, fresh: Mask, wait: Mask) -> None:
        """A chunk of which some events were folded before, or have to wait."""
        hot = self.store.hot
        if not fresh.all():
            self._context.totals.events[SOURCES[source], "replayed"] += int((~fresh).sum())
        hot["fence"][chunk.rows[fresh], source] = chunk.offsets[fresh]
        self.store.mark[chunk.rows[fresh]] |= ROW
        for i in np.flatnonzero(fresh & wait).tolist():
            tick = max(int(chunk.tick[i]), upcoming)
            value = held_bytes(chunk.values[i], chunk.events[i])
            held = Held(tick, source, int(chunk.offsets[i]), int(chunk.times[i]), value)
            self.store.tail(int(chunk.rows[i])).held.append(held)
            self.held[tick].append((int(chunk.rows[i]), held))
        at = np.flatnonzero(fresh & ~wait)
        if len(at):
            events = [chunk.events[i] for i in at.tolist()]
            self._fold(source, chunk.codes[at], chunk.rows[at], events, chunk.times[at])

    def _fold(
        self, source: int, codes: NDArray[np.integer], rows: Int64, events: Sequence[AnyEvent], times: Int64
    ) -> None:
        store, fates = self.store, self._context.totals.events
        kinds = set(codes.tolist())
        for code in sorted(kinds):
            some, who, when = events, rows, times
            if len(kinds) > 1:
                at = np.flatnonzero(codes == code)
                some, who, when = [events[i] for i in at.tolist()], rows[at], times[at]
            result = fold(store, code, who, some, when)
            for fate, count in zip(result._fields, result, strict=True):
                if count:
                    fates[SOURCES[source], fate] += count
            if store.news:
                self.tell(self._context.alerts.new_facts(store, self.last))

    def waiting(self, upcoming: int) -> Int64:
        """The rows of the events that `release` would fold."""
        return np.array(
            [row for tick, held in self.held.items() if tick <= upcoming for row, _ in held], np.int64
        )

    def release(self, upcoming: int) -> None:
        """Fold held events whose tick has come, in (tick, source, offset) order.

        Those of ended accounts wait for the tick itself, which tells whether a new term begins.
        """
        for tick in sorted(t for t in self.held if t <= upcoming):
            waiting = sorted(self.held.pop(tick), key=lambda item: (item[1].source, item[1].offset))
            stay = [(row, h) for row, h in waiting if self._waits_for_term(row, h)]
            if stay:
                self.held[upcoming] += stay
            leaving = {id(h) for _, h in stay}
            self._fold_held([item for item in waiting if id(item[1]) not in leaving])

    def _waits_for_term(self, row: int, held: Held) -> bool:
        return bool(self.store.hot["flags"][row] & ENDED) and CODE[type(decode_one(held.raw))] in TERM_CODES

    def _fold_held(self, items: Sequence[tuple[int, Held]]) -> None:
        """Fold what waited, in the order given; one account may have thousands, so never one by one."""
        leaving = {(held.source, held.offset) for _, held in items}  # the tail may have been decoded anew
        for row in {row for row, _ in items}:
            tail = self.store.tail(row)
            tail.held = [h for h in tail.held if (h.source, h.offset) not in leaving]
            self.store.mark[row] |= ROW
        for source, several in groupby(items, key=lambda item: item[1].source):
            told = [(row, held.ts, decode_one(held.raw)) for row, held in several]
            rows, times, events = zip(*told, strict=True)
            codes = np.array([CODE[type(event)] for event in events])
            self._fold(source, codes, np.array(rows), events, np.array(times))

    def turn_terms(self, tick: int) -> None:
        """Accounts that ended since the last tick lose their band; those that came back start a new term.

        The events that waited and happened since the return are its first.
        """
        store = self.store
        waiting: dict[int, list[Held]] = defaultdict(list)
        for row, held in sorted(self.held.pop(tick, []), key=lambda item: (item[1].source, item[1].offset)):
            waiting[row].append(held)
        touched = (store.mark[: store.n] & TOUCHED != 0) & (store.hot["passed"][: store.n] < tick)
        for row, is_ended in turned_terms(store, np.flatnonzero(touched)):
            if is_ended:
                self.tell(end_account(store, row, tick, self._context.alerts))
            else:
                start_term(store, row)
                since = int(store.hot["started_ts"][row])
                self._fold_held([(row, h) for h in waiting.get(row, []) if h.ts >= since])
                waiting[row] = [h for h in waiting.get(row, []) if h.ts < since]
        for row, dropped in waiting.items():  # before the term began, or still ended
            store.tail(row).held = [h for h in store.tail(row).held if h not in dropped]
            for h in dropped:
                fate = "late" if h.ts // DAY <= store.today - DAYS else "applied"
                self._context.totals.events[SOURCES[h.source], fate] += 1
            store.mark[row] |= ROW

    def tell(self, alerts: Sequence[Alert]) -> None:
        """Count alerts and put them into the outbox, encoded: a commit takes them all at once."""
        for alert in alerts:
            self._context.totals.transitions[alert.rule, alert.severity, alert.phase] += 1
        self.alerts += [(alert.account_id.encode(), encode_alert(alert)) for alert in alerts]
