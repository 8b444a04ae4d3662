"""A partition that counts: the smallest state with which a lost or doubled record shows."""

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field

import msgspec

from streams.unknown_fields import UnknownFields

SOURCES = 6
BLOCK = 200


class Row(msgspec.Struct, array_like=True):
    """What is known of a key; `published` is the count in its last score record."""

    count: int = 0
    total: int = 0
    published: int = 0
    fence: list[int] = msgspec.field(default_factory=lambda: [-1] * SOURCES)


class Score(msgspec.Struct, array_like=True):
    count: int
    total: int


encode = msgspec.msgpack.Encoder().encode
decode_row = msgspec.msgpack.Decoder(Row).decode
decode_score = msgspec.msgpack.Decoder(Score).decode


@dataclass
class CountingTotals:
    events: Counter = field(default_factory=Counter)
    dead: Counter = field(default_factory=Counter)
    unknown: UnknownFields = field(default_factory=UnknownFields)
    transitions: Counter = field(default_factory=Counter)
    rules: tuple[str, ...] = ()


@dataclass
class CountingContext:
    totals: CountingTotals = field(default_factory=CountingTotals)
    model_hash: str = "counting"
    advances: Counter = field(default_factory=Counter)


class CountingPartition:
    """Counts and sums per key behind a fence per source; each tenth is an alert, text a dead letter."""

    def __init__(self, number: int, context: CountingContext) -> None:
        self.number = number
        self.context = context
        self.rows: dict[bytes, Row] = {}
        self.dirty: set[bytes] = set()
        self.unpublished: set[bytes] = set()
        self.alerts: list[tuple[bytes, bytes]] = []
        self.dead: list[tuple[bytes | None, bytes]] = []
        self.queues: list[deque] = [deque() for _ in range(SOURCES)]
        self.taken: dict[int, int] = {}
        self.fed_to = [-1] * SOURCES
        self.resumed: dict[int, str] = {}
        self.taken_over = False
        self.clock_ms = -1

    def restore(self, rows: Sequence[tuple[bytes, bytes | None]]) -> None:
        assert not self.taken_over, "rows read back into live state"
        for key, value in rows:
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = decode_row(value)

    def resume(self, source: int, metadata: str) -> None:
        assert source not in self.resumed
        self.resumed[source] = metadata

    def seen(self, source: int) -> int:
        return max((row.fence[source] for row in self.rows.values()), default=-1)

    def takeover(self) -> None:
        assert len(self.resumed) == SOURCES
        self.taken_over = True
        # what was folded, but not published before the owner went, is published by its successor
        self.unpublished = {key for key, row in self.rows.items() if row.published != row.count}

    def feed(self, source: int, records: Sequence) -> None:
        assert self.taken_over
        assert records[0].offset > self.fed_to[source], "fed twice"
        if any(record.value == b"crash" for record in records):
            raise RuntimeError("a bug")
        if any(record.value == b"hang" for record in records):
            time.sleep(600)
        self.fed_to[source] = records[-1].offset
        self.queues[source].append([(r.key, r.value, r.offset) for r in records])
        dead = [(r.key, r.value) for r in records if not r.value.isdigit()]
        self.dead += dead
        self.context.totals.dead["malformed"] += len(dead)

    def queued(self, source: int) -> int:
        return sum(len(chunk) for chunk in self.queues[source])

    def slowest(self, now_ms: int, idle: Set[int]) -> Set[int]:
        return set(range(SOURCES))

    def advance(self, now_ms: int, idle: Set[int]) -> Iterator[None]:
        self.clock_ms = now_ms
        for source in idle:
            self.context.advances[source] += 1
        for source, queue in enumerate(self.queues):
            while queue:
                for key, value, offset in queue.popleft():
                    self._fold(source, key, value, offset)
                yield

    def _fold(self, source: int, key: bytes, value: bytes, offset: int) -> None:
        self.taken[source] = offset + 1
        if not value.isdigit():
            return
        row = self.rows.setdefault(key, Row())
        if offset <= row.fence[source]:
            self.context.totals.events["usage", "replayed"] += 1
            return
        self.context.totals.events["usage", "applied"] += 1
        row.fence[source] = offset
        row.count += 1
        row.total += int(value)
        self.dirty.add(key)
        self.unpublished.add(key)
        if row.count % 10 == 0:
            self.alerts.append((key, b"%d" % row.count))

    held_back = False

    @property
    def rows_pending(self) -> int:
        return len(self.dirty)

    @property
    def alerts_pending(self) -> bool:
        return bool(self.alerts)

    @property
    def pending(self) -> bool:
        return bool(self.dirty or self.unpublished or self.alerts or self.dead)

    @property
    def scores_pending(self) -> bool:
        return bool(self.unpublished)

    def fold_meanwhile(self) -> bool:
        return False

    def positions(self) -> dict[int, tuple[int, str]]:
        return {source: (offset, f"[{offset}]") for source, offset in self.taken.items()}

    def score_blocks(self) -> Iterator[list[tuple[bytes, bytes]]]:
        keys = sorted(self.unpublished)
        for start in range(0, len(keys), BLOCK):
            block = []
            for key in keys[start : start + BLOCK]:
                self.unpublished.discard(key)
                row = self.rows[key]
                row.published = row.count
                self.dirty.add(key)
                block.append((key, encode(Score(row.count, row.total))))
            yield block

    def row_blocks(self) -> Iterator[list[tuple[bytes, bytes]]]:
        keys = sorted(self.dirty)
        for start in range(0, len(keys), BLOCK):
            block = []
            for key in keys[start : start + BLOCK]:
                self.dirty.discard(key)
                block.append((key, encode(self.rows[key])))
            yield block

    def drain_alerts(self) -> list[tuple[bytes, bytes]]:
        alerts, self.alerts = self.alerts, []
        return alerts

    def drain_dead_letters(self) -> list[tuple[bytes | None, bytes]]:
        dead, self.dead = self.dead, []
        return dead

    def bands(self) -> Counter:
        return Counter({("green", "unknown"): len(self.rows)})

    @property
    def accounts(self) -> int:
        return len(self.rows)
