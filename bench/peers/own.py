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

import msgspec

from bench.observed import Board, attach
from bench.peers.toy import HOURS, decode, hour, score, turn
from scoring.events import SOURCES
from streams import worker as role
from streams.app import Worker
from streams.fetch import Record
from streams.settings import Settings

_BLOCK: Final = 512


class Account(msgspec.Struct, array_like=True):
    """One row of the changelog."""

    events: int = 0
    units: int = 0
    head: int = 0
    buckets: list[int] = msgspec.field(default_factory=lambda: [0] * HOURS)
    score: float = 0.0
    fence: list[int] = msgspec.field(default_factory=lambda: [-1] * len(SOURCES))


encode: Final = msgspec.msgpack.Encoder().encode
decode_row: Final = msgspec.msgpack.Decoder(Account).decode


@dataclass
class Totals:
    """Counters of the process."""

    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    transitions: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    rules: tuple[str, ...] = ()
    ticks: int = 0


@dataclass
class Context:
    """What the worker wants to know of the scoring."""

    totals: Totals = field(default_factory=Totals)
    model_hash: str = "toy"


class ToyPartition:
    """Accounts as objects; folds when it is fed, as it needs no clock, and scores whoever a batch touched."""

    clock_ms = -1
    scores_pending = False
    held_back = False

    def __init__(self, number: int, context: Context) -> None:
        self.number = number
        self._totals = context.totals
        self._rows: dict[bytes, Account] = {}
        self._dirty: dict[bytes, Account] = {}
        self._taken: dict[int, int] = {}

    def restore(self, rows: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Rows of the changelog."""
        for key, value in rows:
            if value is not None:
                self._rows[key] = decode_row(value)

    def seen(self, source: int) -> int:
        """The greatest offset applied."""
        return max((row.fence[source] for row in self._rows.values()), default=-1)

    def resume(self, source: int, metadata: str) -> None:
        """There is no clock to resume."""

    def takeover(self) -> None:
        """Nothing waits."""

    def feed(self, source: int, records: Sequence[Record]) -> None:
        """Fold a batch; what the changelog already holds is skipped."""
        rows, touched, applied = self._rows, {}, 0
        for record in records:
            key = record.key
            account = rows.get(key)
            if account is None:
                account = rows[key] = Account()
            if record.offset <= account.fence[source]:
                continue
            event = decode(record.value)
            account.fence[source] = record.offset
            now = hour(event.ts)
            account.events += 1
            account.units += event.quantity
            if now > account.head:
                turn(account.buckets, account.head, now)
                account.head = now
            if now > account.head - HOURS:
                account.buckets[now % HOURS] += event.quantity
            touched[key] = account
            applied += 1
        for account in touched.values():
            account.score = score(account.buckets, account.head)
        self._dirty.update(touched)
        self._taken[source] = records[-1].offset + 1
        events = self._totals.events
        events[SOURCES[source], "applied"] += applied
        events[SOURCES[source], "replayed"] += len(records) - applied

    def queued(self, source: int) -> int:
        """Nothing waits."""
        return 0

    def advance(self, now_ms: int, idle: Set[int]) -> Iterator[None]:
        """Time changes nothing."""
        return iter(())

    @property
    def pending(self) -> bool:
        """Whether rows changed."""
        return bool(self._dirty)

    def positions(self) -> dict[int, tuple[int, str]]:
        """Next offset of each source."""
        return {source: (offset, "") for source, offset in self._taken.items()}

    def score_blocks(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """The score is part of the row."""
        return iter(())

    def row_blocks(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """Changed rows."""
        while self._dirty:
            keys = list(self._dirty)[:_BLOCK]
            yield [(key, encode(self._dirty.pop(key))) for key in keys]

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
        return len(self._rows)


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
