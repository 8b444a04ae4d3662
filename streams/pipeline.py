"""One partition: records in, folded when the stream clock says so, scored at ticks; rows and alerts out. No I/O.

The whole contract of time is here (docs/semantics.md, section 2): `advance` takes from the queues what the next tick
may see, folds it, and runs the tick once no source can add to it. The caller says which sources are idle, and the time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.events import SOURCES
from scoring.layout import BANDS, ENDED, TIERS
from scoring.row import encode_rows, restore_rows
from scoring.state import AWAITS, LOOK, ROW, TOUCHED, Store
from scoring.times import DAY, HOUR, UNSET
from streams import clock_metadata
from streams.codec import Admission, decode_chunk
from streams.dead_letters import DeadLetter, encode, record_key
from streams.folding import Folding
from streams.own_records import CLOCK_KEY
from streams.partition_context import Context
from streams.publication import publish
from streams.records import Record, Records
from streams.source_queue import SourceQueue, ceil_tick
from streams.takeover import take_over
from streams.ticker import Ticker
from streams.ticking import last_full_hour

_SCORES = _ROWS = 256
"""Records that are encoded at once: so many hold the event loop for some milliseconds."""
_USAGE, _OTHERS, _COLD = 2048, 1024, 256
"""Events folded at once: usage goes column by column, others one by one, and of many accounts few tails are decoded."""
_FEW: Final = 512
"""Events that may be folded while a tick is under way, all at once: who is behind ends the tick first."""


class Partition:
    """The accounts of one partition number, over all sources."""

    def __init__(self, number: int, context: Context) -> None:
        self.number = number
        self.context = context
        self.store = Store()
        self.store.tails.most_decoded = context.decoded_tails
        self.clock_ms = UNSET
        """The last tick that ran, or was passed because it had nobody to evaluate."""
        self.as_of = UNSET
        """The last tick that ran: scores between ticks stand at it."""
        self._cut_ms = UNSET
        """Where the clock stood when the last commit began."""
        self._told_hour = UNSET
        """The full hour that the changelog tells."""
        self._queues = [SourceQueue(context.tick, context.grace, context.roomy) for _ in SOURCES]
        self._admission = Admission(context.belongs(number), self.store)
        self._folding = Folding(self.store, context)
        self._ticker = Ticker(self.store, context, self._folding)
        self._dead: list[tuple[bytes | None, bytes]] = []
        self._under_way = UNSET
        """The tick that runs."""
        self._look_from = 0
        self._taking_over: Iterator[int] = iter(())

    # -- recovery -------------------------------------------------------------------------------------------------

    def restore(self, rows: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Put changelog rows, in log order, back into the columns."""
        for hour in [int(value) for key, value in rows if key == CLOCK_KEY and value]:
            self._told_hour = max(self._told_hour, hour)
        restore_rows(self.store, [row for row in rows if row[0] != CLOCK_KEY])

    def resume(self, source: int, metadata: str) -> None:
        """Continue behind a committed offset: its metadata says how far this source's clock and the ticks were.

        Raises MetadataError or RowVersionError if it was written by a newer release.
        """
        if metadata:
            tick, position = clock_metadata.decode(metadata)
            self._queues[source].resume(position)
            self.clock_ms = self._cut_ms = max(self.clock_ms, tick)

    def seen(self, source: int) -> int:
        """The greatest offset of a source in the fences of the restored rows; -1 if there is none."""
        return int(self.store.hot["fence"][: self.store.n, source].max(initial=-1))

    def takeover(self) -> None:
        """Recovery is over: `advance` takes the accounts over before anything else."""
        told = max(self._told_hour, self._last_hour), self.clock_ms
        self._taking_over = take_over(self.store, self.context, self._folding, self._ticker, *told)

    # -- input ----------------------------------------------------------------------------------------------------

    def feed(self, source: int, records: Sequence[Record]) -> None:
        """Decode a chunk and queue it; rejected records become dead letters."""
        queue, several = self._queues[source], Records.of(records)
        records = several.since(queue.fed_to + 1)
        if len(records) < len(several):  # read again after a rewind, still in the queue
            self.context.totals.events[SOURCES[source], "replayed"] += len(several) - len(records)
            if not records:
                return
        decoded = decode_chunk(records, self._admission)
        for reject in decoded.rejects:
            self._bury(source, records[reject.place], reject.reason, reject.detail)
        self.context.totals.unknown.look(decoded)
        queue.put(records.offsets, decoded)

    def _bury(self, source: int, record: Record, reason: str, detail: str) -> None:
        totals = self.context.totals
        totals.dead[reason] += 1
        totals.events[SOURCES[source], "dead"] += 1
        letter = DeadLetter.of(
            topic=self.context.topic_names[source],
            partition=self.number,
            offset=record.offset,
            timestamp=record.timestamp,
            reason=reason,
            detail=detail,
            key=record.key,
            value=record.value,
        )
        self._dead.append((record_key(record.key), encode(letter)))

    def queued(self, source: int) -> int:
        """Events of a source that wait for the stream clock."""
        return self._queues[source].queued

    def slowest(self, now_ms: int, idle: Set[int]) -> Set[int]:
        """The sources that hold the stream clock back: those of which nothing is known yet, else the earliest."""
        bounds = self._bounds(now_ms, idle)
        earliest = None if None in bounds else min(bound for bound in bounds if bound is not None)
        return {source for source, bound in enumerate(bounds) if bound == earliest}

    # -- progress -------------------------------------------------------------------------------------------------

    def advance(self, now_ms: int, idle: Set[int]) -> Iterator[None]:
        """Fold what the next tick may see and run every tick that no source can add to; yields between slices."""
        for as_of in self._taking_over:  # `yield from` would end it with a caller that stops halfway
            self.as_of = as_of
            yield
        while self.clock_ms != UNSET or self._start(now_ms, idle):
            upcoming = self.clock_ms + self.context.tick
            if self.held_back:
                return
            if upcoming // DAY != self.store.today:
                self.store.roll(upcoming // DAY)
            yield from self._take(upcoming)
            bound = self._bound(now_ms, idle)
            if bound is None or bound <= upcoming:
                return
            if self._relevant(upcoming):
                yield from self._run(upcoming)
            self.clock_ms = upcoming
            self._skip(ceil_tick(bound, self.context.tick) - self.context.tick)

    def _start(self, now_ms: int, idle: Set[int]) -> bool:
        """Set the clock before the first tick that any event can count from, once every source is known."""
        if self._bound(now_ms, idle) is None:
            return False
        heads = [queue.head for queue in self._queues if queue.head is not None]
        if not heads:
            return False
        self.clock_ms = self._cut_ms = min(heads) - self.context.tick
        return True

    @property
    def held_back(self) -> bool:
        """Whether the clock waits for a commit: a crash must not leave rows that are many days ahead of others."""
        limit, upcoming = self.context.days_per_commit, self.clock_ms + self.context.tick
        return limit is not None and upcoming // DAY > self._cut_ms // DAY + limit

    def _bounds(self, now_ms: int, idle: Set[int]) -> list[int | None]:
        """Per source, what ticks before can no longer get an event of it; None if nothing is known of it yet."""
        return [queue.bound(now_ms, idle=source in idle) for source, queue in enumerate(self._queues)]

    def _bound(self, now_ms: int, idle: Set[int]) -> int | None:
        """Ticks before this can no longer get an event; None if some source is not known yet."""
        known = [bound for bound in self._bounds(now_ms, idle) if bound is not None]
        return min(known) if len(known) == len(self._queues) else None

    def _take(self, upcoming: int) -> Iterator[None]:
        self._folding.last = self.clock_ms
        self._folding.release(upcoming)
        others = _OTHERS if self.store.n <= self.store.tails.most_decoded else _COLD
        for source, queue in enumerate(self._queues):
            while (chunk := queue.take(upcoming, others if source else _USAGE)) is not None:
                self._folding.accept(source, chunk, upcoming)
                yield

    def _relevant(self, tick: int) -> bool:
        if not self.store.n:
            return False
        if tick % HOUR == 0 or tick in self._folding.held or self._ticker.next_due <= tick:
            return True
        return bool((self.store.mark[: self.store.n] & TOUCHED).any())

    def _skip(self, last: int) -> None:
        """Pass the ticks that would evaluate nobody, up to `last`, which no source can add to any more."""
        touched = np.flatnonzero(self.store.mark[: self.store.n] & TOUCHED)
        if (
            self.store.hot["passed"][touched] <= self.clock_ms
        ).any():  # folded while the last tick was under way
            return
        ahead = [queue.head for queue in self._queues if queue.head is not None]
        ahead += list(self._folding.held)
        ahead.append(ceil_tick(self._ticker.next_due, self.context.tick))
        if self.store.n:
            hour = max(HOUR, self.context.tick)
            ahead.append((self.clock_ms // hour + 1) * hour)
        self.clock_ms = max(self.clock_ms, min([last, *(tick - self.context.tick for tick in ahead)]))

    def _run(self, tick: int) -> Iterator[None]:
        self.as_of = self._under_way = tick
        self.context.totals.ticks += 1
        for _ in self._ticker.run(tick, self._live(tick)):
            yield
            self.fold_meanwhile()
        self._under_way = UNSET

    def fold_meanwhile(self) -> bool:
        """Fold what follows a tick under way, if it is little: whom it concerns is evaluated before the others.

        Returns whether that was done, be it that nothing follows yet.
        """
        tick, upcoming = self._under_way, self._under_way + self.context.tick
        few = sum(queue.queued for queue in self._queues) <= _FEW
        if tick == UNSET or upcoming // DAY != self.store.today or not few:
            return False
        chunks = [(source, chunk) for source, q in enumerate(self._queues) for chunk in q.all_of(upcoming)]
        rows = np.concatenate([self._folding.waiting(upcoming), *(chunk.rows for _, chunk in chunks)])
        if len(rows):
            self._ticker.evaluate(np.unique(rows))
            self._folding.last = tick
            self._folding.release(upcoming)
            for source, chunk in chunks:
                self._folding.accept(source, chunk, upcoming)
        return True

    def _live(self, tick: int) -> dict[str, bool]:
        """Which feeds speak: the quiet of an account means something only then."""
        oldest = tick - self.context.scorer.model.liveness_hours * HOUR
        return {name: q.heard(tick) >= max(oldest, 0) for name, q in zip(SOURCES, self._queues, strict=True)}

    # -- output ---------------------------------------------------------------------------------------------------

    @property
    def pending(self) -> bool:
        """Whether there is anything to write: rows, scores, alerts or dead letters."""
        return bool(
            self._folding.alerts
            or self._dead
            or self._last_hour > self._told_hour
            or (self.store.mark[: self.store.n] & (ROW | LOOK)).any()
        )

    @property
    def rows_pending(self) -> int:
        """Rows that changed since they were last written."""
        return int(np.count_nonzero(self.store.mark[: self.store.n] & ROW))

    @property
    def alerts_pending(self) -> bool:
        """Whether alerts were decided that nobody was told yet."""
        return bool(self._folding.alerts)

    @property
    def _last_hour(self) -> int:
        """The full hour that everybody had been evaluated at when the last commit began."""
        return last_full_hour(self._cut_ms, self.context.tick)

    @property
    def scores_pending(self) -> bool:
        """Whether some score has to be looked at for publication."""
        return self.as_of != UNSET and bool(self._looked_for(self.store.mark[: self.store.n]).any())

    @staticmethod
    def _looked_for(marks: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Not of whom a tick under way is still to evaluate."""
        return np.asarray(marks & (LOOK | AWAITS) == LOOK)

    def positions(self) -> dict[int, tuple[int, str]]:
        """Source to (offset to commit, metadata to commit with it), for sources of which something was taken."""
        tick = self._cut_ms = self.clock_ms
        for queue in self._queues:
            queue.heard(tick)  # what the clock has passed need not travel: brokers take 4 KiB of metadata
        return {
            source: (queue.next_offset, clock_metadata.encode(tick, queue.position))
            for source, queue in enumerate(self._queues)
            if queue.next_offset != UNSET
        }

    def score_blocks(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """Encoded `scores` records of the accounts whose score moved; marks them published.

        The caller may stop at any block: the next call begins behind it, so that everybody has a turn.
        """
        if not self.scores_pending:
            return
        rows = np.flatnonzero(self._looked_for(self.store.mark[: self.store.n]))
        rows = np.roll(rows, -int(np.searchsorted(rows, self._look_from)))
        for start in range(0, len(rows), _SCORES):
            some = rows[start : start + _SCORES]
            self._look_from = int(some[-1]) + 1
            some = some[self._looked_for(self.store.mark[some])]  # a tick may have begun since the last block
            records = publish(self.store, np.sort(some), self.context.recorder, self.as_of)
            self.context.totals.published += len(records)
            yield records

    def row_blocks(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """Encoded `state` rows that changed, in blocks, and the hour that holds for all others; clears the marks."""
        rows = np.flatnonzero(self.store.mark[: self.store.n] & ROW)
        for start in range(0, len(rows), _ROWS):
            some = rows[start : start + _ROWS]
            self.store.mark[some] &= ~np.uint8(ROW)
            yield encode_rows(self.store, some)
        if self._last_hour > self._told_hour:  # behind the rows, which stand at that hour or later
            self._told_hour = self._last_hour
            yield [(CLOCK_KEY, b"%d" % self._told_hour)]

    def drain_alerts(self) -> list[tuple[bytes, bytes]]:
        """Alerts decided since the last call, as (key, value)."""
        alerts, self._folding.alerts = self._folding.alerts, []
        return alerts

    def drain_dead_letters(self) -> list[tuple[bytes | None, bytes]]:
        """Dead letters since the last call, as (key, value)."""
        dead, self._dead = self._dead, []
        return dead

    # -- figures --------------------------------------------------------------------------------------------------

    @property
    def accounts(self) -> int:
        """Accounts of which something was folded."""
        return int((self.store.hot["first_ts"][: self.store.n] != UNSET).sum())

    def bands(self) -> Counter[tuple[str, str]]:
        """(band, tier as told or "unknown") to accounts."""
        hot = self.store.hot[: self.store.n]  # not copied: a scrape looks at all accounts, field by field
        shown = np.where(hot["flags"] & ENDED != 0, len(BANDS), hot["band"])
        code = (shown * (len(TIERS) + 1) + hot["tier"] + 1)[hot["first_ts"] != UNSET]
        bands, tiers = (*BANDS, "ended"), ("unknown", *TIERS)
        counts = np.bincount(code, minlength=len(bands) * len(tiers)).tolist()
        return Counter({pair: n for pair, n in zip(product(bands, tiers), counts, strict=True) if n})
