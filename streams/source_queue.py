"""Events of one source that were read and wait for the stream clock, in offset order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from scoring.events import AnyEvent
from scoring.times import UNSET, Int64
from streams.codec import Codes, Decoded


class Chunk(NamedTuple):
    """Consecutive events as columns.

    `newest` is the running maximum of event times, `tick` the tick an event counts from.
    """

    rows: Int64
    offsets: Int64
    times: Int64
    newest: Int64
    tick: Int64
    codes: Codes
    events: Sequence[AnyEvent]
    values: Sequence[bytes]
    end: int
    """The offset after the last record of the chunk, rejected ones included."""
    first: int
    """The smallest of `tick`."""
    last: int
    """The largest of `tick`."""

    def cut(self, at: int) -> tuple[Chunk, Chunk]:
        """The first `at` events, and the others."""
        return self._part(slice(at), int(self.offsets[at])), self._part(slice(at, None), self.end)

    def _part(self, s: slice, end: int) -> Chunk:
        tick = self.tick[s]
        return Chunk(
            self.rows[s], self.offsets[s], self.times[s], self.newest[s], tick, self.codes[s],
            self.events[s], self.values[s], end, int(tick.min()), int(tick.max()),
        )  # fmt: skip


class Position(NamedTuple):
    """Where a source stands after what was taken: event times of all, of those told by a tick, and of the rest."""

    newest: int
    heard: int
    ahead: list[tuple[int, int]]
    """(tick, largest event time) of what was taken and counts from later ticks."""


def ceil_tick(ms: int, tick: int) -> int:
    """The first tick at or after a time."""
    return -(-ms // tick) * tick


class SourceQueue:
    """What one source of one partition has handed over and the clock has not taken yet."""

    def __init__(self, tick: int, grace: int, roomy: int = 50_000) -> None:
        """`tick` and `grace` in milliseconds; with more than `roomy` events nothing waits here for its tick."""
        self._tick = tick
        self._grace = grace
        self._roomy = roomy
        self._chunks: deque[Chunk] = deque()
        self.newest = UNSET
        """Largest event time fed."""
        self.taken_newest = UNSET
        """Largest event time taken."""
        self._heard = UNSET
        self._ahead: dict[int, int] = {}
        """Tick to the largest time of the events taken that count from it, for ticks not asked about yet."""
        self.fed_to = UNSET
        """Last offset fed; UNSET before the first."""
        self.next_offset = UNSET
        """The offset after the last taken record; UNSET before the first."""
        self.queued = 0

    @property
    def position(self) -> Position:
        """Where the source stands: travels with the committed offset."""
        return Position(self.taken_newest, self._heard, sorted(self._ahead.items()))

    def resume(self, position: Position) -> None:
        """Continue behind a committed offset."""
        self.newest = self.taken_newest = position.newest
        self._heard, self._ahead = position.heard, dict(position.ahead)

    def heard(self, tick: int) -> int:
        """Largest event time among the events taken that count from this tick or an earlier one; UNSET if none."""
        for counted in [k for k in self._ahead if k <= tick]:
            self._heard = max(self._heard, self._ahead.pop(counted))
        return self._heard

    def put(self, offsets: Int64, decoded: Decoded) -> None:
        """Append a decoded chunk of records with these offsets."""
        self.fed_to = offsets.item(-1)
        end = self.fed_to + 1
        if not decoded.events:
            self._pass_by(end)
            return
        newest = np.maximum.accumulate(np.maximum(decoded.times, self.newest))
        tick = -(-np.maximum(decoded.times, newest - self._grace) // self._tick) * self._tick
        self.newest = int(newest[-1])
        if decoded.rejects:
            offsets = offsets[np.array(decoded.places)]
        self._chunks.append(
            Chunk(
                decoded.rows, offsets, decoded.times, newest, tick, decoded.codes, decoded.events,
                decoded.values, end, int(tick.min()), int(tick.max()),
            )
        )  # fmt: skip
        self.queued += len(decoded.rows)

    def _pass_by(self, end: int) -> None:
        """Nothing but rejected records: their offsets are done when everything before them is."""
        if self._chunks:
            self._chunks[-1] = self._chunks[-1]._replace(end=end)
        else:
            self.next_offset = end

    def take(self, upcoming: int, most: int = 2048) -> Chunk | None:
        """From the front of the queue what has to be taken so that all that counts from `upcoming` is; None if nothing.

        `most` events at once.

        What counts from a later tick is taken only where something of `upcoming` stands behind it, or when the
        queue is so full that reading might stop: whatever is taken before its tick has to be held in a row.
        """
        if not self._chunks:
            return None
        chunk = self._chunks[0]
        at = min(self._due(chunk, upcoming), most)
        if at == 0:
            return None
        if at < len(chunk.rows):
            chunk, self._chunks[0] = chunk.cut(at)
        else:
            self._chunks.popleft()
        self.queued -= at
        self.taken_newest = int(chunk.newest[-1])
        self.next_offset = chunk.end
        self._hear(chunk)
        return chunk

    def all_of(self, upcoming: int) -> Iterator[Chunk]:
        """The same until nothing is left to take."""
        while (chunk := self.take(upcoming)) is not None:
            yield chunk

    def _due(self, chunk: Chunk, upcoming: int) -> int:
        """How many events of the first chunk to take."""
        if chunk.last <= upcoming:
            return len(chunk.rows)
        if self.queued > self._roomy:
            return int(np.searchsorted(chunk.newest, upcoming + self._grace, side="right"))
        if any(later.first <= upcoming for later in islice(self._chunks, 1, None)):
            return len(chunk.rows)
        if chunk.first > upcoming:
            return 0
        return int(np.flatnonzero(chunk.tick <= upcoming)[-1]) + 1

    def _hear(self, chunk: Chunk) -> None:
        if chunk.first == chunk.last:
            told = {chunk.first: int(chunk.times.max())}
        else:
            told = {t: int(chunk.times[chunk.tick == t].max()) for t in np.unique(chunk.tick).tolist()}
        for tick, newest in told.items():
            self._ahead[tick] = max(self._ahead.get(tick, UNSET), newest)

    def bound(self, now: int, *, idle: bool) -> int | None:
        """No event still to come, or waiting here, counts from a tick before this; None if nothing is known yet."""
        if self.newest == UNSET and not idle:
            return None
        coming = (max(now, self.newest) if idle else self.newest) - self._grace
        return min([coming, *(chunk.first for chunk in self._chunks)])

    @property
    def head(self) -> int | None:
        """The first tick that anything waiting here can count from."""
        return ceil_tick(int(self._chunks[0].newest[0]) - self._grace, self._tick) if self._chunks else None
