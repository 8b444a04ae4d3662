"""Files through the very pipeline of the worker: no broker, same ticks, same bytes."""

from __future__ import annotations

import gzip
import heapq
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from scoring.events import SOURCES
from scoring.times import HOUR, UNSET, parse
from streams.codec import FUTURE_MS
from streams.dead_letters import decode
from streams.partition_context import Context
from streams.pipeline import Partition

SORT_WITHIN: int = HOUR
"""Lines may be out of order by this much; the reader puts them right."""
_CHUNK = 4000


class FileLine(NamedTuple):
    """A line and where it stands; numbers count from 1, blank lines too."""

    file: str
    number: int
    text: bytes


class Line(NamedTuple):
    """A line of a file as a record: `timestamp` is the time that stands for its arrival."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    file: str
    number: int


class DeadLine(msgspec.Struct, frozen=True):
    """A line that is no event: where it stands and why."""

    file: str
    line: int
    reason: str
    detail: str
    value: str | None


class _Head(msgspec.Struct):
    """As much of an event as tells where a line belongs."""

    type: str = ""
    account_id: str | None = None
    ts: str = ""


_head = msgspec.json.Decoder(_Head).decode
SOURCE_OF = {
    "usage": 0, "ticket": 1, "invoice": 2, "survey": 3, "account": 4, "churn": 4, "renewal": 4,
    "engagement": 5, "milestone": 5, "override": 5, "cost": 5,
}  # fmt: skip
"""Event type to the input it is produced to; what is unknown goes to the first and is rejected there."""


def open_lines(path: str) -> IO[bytes]:
    """A file of lines, plain or .gz, or standard input for `-`."""
    if path == "-":
        return sys.stdin.buffer
    return gzip.open(path, "rb") if path.endswith(".gz") else Path(path).open("rb")  # type: ignore[return-value]  # GzipFile reads bytes


def read_lines(paths: Sequence[str]) -> Iterator[FileLine]:
    """Every line that is not blank, file by file. Raises OSError, for a damaged .gz too."""
    for path in paths:
        with open_lines(path) as lines:
            try:
                for number, line in enumerate(lines, 1):
                    text = line.strip()
                    if text:
                        yield FileLine(path, number, text)
            except (EOFError, zlib.error) as error:
                raise OSError(f"{path}: {error}") from error


def classify(line: bytes) -> tuple[int, int, bytes | None]:
    """(event time or UNSET, source, key) of a line, as far as it can be read."""
    try:
        head = _head(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return UNSET, 0, b""  # a key, so that it is rejected for what is wrong with the line
    key = None if head.account_id is None else head.account_id.encode()
    return parse(head.ts), SOURCE_OF.get(head.type, 0), key


class Timed(NamedTuple):
    """A line in time order; `time` is its event time, or that of the lines around it if it has none."""

    time: int
    rank: int
    source: int
    key: bytes | None
    line: FileLine


def sort_nearly(lines: Iterable[FileLine], latest: int, within: int = SORT_WITHIN) -> Iterator[Timed]:
    """Lines in time order where the disorder is below `within`; stable.

    Lines without a time, or with one after `latest`, stay in place: one bad time must not move the clock.
    """
    heap: list[Timed] = []
    newest = UNSET
    for rank, line in enumerate(lines):
        ts, source, key = classify(line.text)
        time = newest if ts == UNSET or ts > latest else ts
        newest = max(newest, time)
        heapq.heappush(heap, Timed(time, rank, source, key, line))
        while heap[0].time < newest - within:
            yield heapq.heappop(heap)
    while heap:
        yield heapq.heappop(heap)


class Replay:
    """Feeds lines to one partition and runs its clock."""

    def __init__(
        self, context: Context, now: int, on_step: Callable[[Partition], None] | None = None
    ) -> None:
        """`now` (milliseconds) stands for the arrival of every line; `on_step` follows each advance."""
        self.partition = Partition(0, context)
        self.now = now
        self.read = 0
        self.dead: list[DeadLine] = []
        self._pending: list[list[Line]] = [[] for _ in SOURCES]
        self._offsets = [0] * len(SOURCES)
        self._on_step = on_step

    def run(self, lines: Iterable[FileLine], until: int | None = None) -> int:
        """Replay all; ticks run up to `until`, or as far as events reach. Returns the last tick, in ms."""
        newest = UNSET
        for time, _, source, key, line in sort_nearly(lines, self.now + FUTURE_MS):
            if until is not None and time > until:
                continue
            place = line.file, line.number
            self._pending[source].append(Line(self._offsets[source], self.now, key, line.text, *place))
            self._offsets[source] += 1
            self.read += 1
            newest = max(newest, min(time, self.now))
            if self.read % _CHUNK == 0:
                self._feed(newest)
        tick, grace = self.partition.context.tick, self.partition.context.grace
        last = -(-newest // tick) * tick if until is None else until // tick * tick
        self._feed(max(newest, last + grace + 1))
        return last

    def _feed(self, reached: int) -> None:
        """Hand over what was read, and let the clock run to just before what may still come."""
        for source, lines in enumerate(self._pending):
            if lines:
                self.partition.feed(source, lines)
                self._bury(lines)
                self._pending[source] = []
        for _ in self.partition.advance(reached, frozenset(range(len(SOURCES)))):
            pass
        if self._on_step is not None:
            self._on_step(self.partition)

    def _bury(self, lines: Sequence[Line]) -> None:
        for _, value in self.partition.drain_dead_letters():
            letter = decode(value)
            line = lines[letter.offset - lines[0].offset]
            self.dead.append(DeadLine(line.file, line.number, letter.reason, letter.detail, letter.value))
