"""What the parts of the engine cost by themselves, in one process without Kafka: what no transport can take away.

`python -m bench.parts ACCOUNTS EVENTS PACE past|new` prints one JSON object: the time of each part, in us per event of the whole mix.
There is one thread, so that the wall clock tells its CPU; the clock that counts CPU takes 300 us a look on some machines.
Scores are published and rows written once for each `PACE` events: as seldom as a worker may that commits each second.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
from aiokafka import codec

from bench.catalogue import PARTS
from bench.jobs import run_job
from bench.load import Block, Fleet, Generator, Load
from bench.seed import templates
from bench.workers import ROOT
from bench.world import MINUTE, PACE, PARTITIONS, World, load_start
from scoring.events import SOURCES
from scoring.model import default_model
from scoring.tails import MOST_DECODED
from streams.context import make_context
from streams.pipeline import Partition
from streams.records import Records
from streams.settings import Engine

_DEADLINE_S: Final = 100.0


class Engines:
    """The partitions of a worker, and what their parts cost so far."""

    def __init__(self, accounts: int) -> None:
        grace = round(Engine().grace * 1000)
        self._context = make_context(
            default_model(), tick_ms=MINUTE, grace_ms=grace, decoded_tails=MOST_DECODED // PARTITIONS
        )
        self.fleet = Fleet(accounts, PARTITIONS)
        self.partitions = [Partition(number, self._context) for number in range(PARTITIONS)]
        self.cost: defaultdict[str, float] = defaultdict(float)
        self._offsets = Counter[tuple[int, int]]()

    def remember(self, end_ms: int) -> None:
        """Give every account 120 days of past."""
        past = templates(end_ms)
        rows: list[list[tuple[bytes, bytes | None]]] = [[] for _ in self.partitions]
        numbers: list[int] = self.fleet.partitions.tolist()
        for i, (key, number) in enumerate(zip(self.fleet.keys, numbers, strict=True)):
            rows[number].append((key, past[i % len(past)].value))
        for partition, some in zip(self.partitions, rows, strict=True):
            partition.restore(some)
            partition.takeover()

    @contextmanager
    def _meter(self, part: str) -> Iterator[None]:
        before = time.perf_counter()
        yield
        self.cost[part] += time.perf_counter() - before

    def second(self, block: Block) -> None:
        """What a worker does in a second, partition by partition; the clock stands, as no source is idle."""
        now = int(block.times[-1])
        for partition in self.partitions:
            usage, *others = [self._records(block, partition.number, s) for s in range(len(SOURCES))]
            self._fold(partition, 0, [usage], now, "folding usage")
            self._fold(partition, 1, others, now, "folding the rest")
            with self._meter("scores"):
                for _ in partition.score_blocks():
                    pass
            self._write(partition)

    def _fold(
        self, partition: Partition, first: int, several: Sequence[Records], now: int, part: str
    ) -> None:
        with self._meter("decoding"):
            for source, records in enumerate(several, first):
                if records:
                    partition.feed(source, records)
        with self._meter(part):
            for _ in partition.advance(now, set()):
                pass

    def _write(self, partition: Partition) -> None:
        partition.positions()
        with self._meter("rows"):
            blocks = list(partition.row_blocks())
        with self._meter("compressing rows"):
            for block in blocks:
                codec.lz4_encode(b"".join([value for _, value in block]), 1)
        partition.drain_alerts()

    def tick(self, now: int) -> None:
        """Let the clock pass the next minute."""
        for partition in self.partitions:
            for _ in partition.advance(now, set(range(len(SOURCES)))):
                pass

    def folded(self) -> int:
        """Events that counted so far, or said nothing new."""
        fates = self._context.totals.events
        return sum(number for (_, fate), number in fates.items() if fate in {"applied", "duplicate"})

    def _records(self, block: Block, partition: int, source: int) -> Records:
        at = np.flatnonzero((block.partitions == partition) & (block.sources == source)).tolist()
        first = self._offsets[partition, source]
        self._offsets[partition, source] += len(at)
        offsets = np.arange(first, first + len(at))
        # new objects, as a fetch gives: those of the generator lie scattered, and their memory is cold
        keys, values = (
            [bytes(bytearray(block.keys[i])) for i in at],
            [bytes(bytearray(block.values[i])) for i in at],
        )
        return Records(offsets, block.times[at], keys, values)


def run(accounts: int, events: int, pace: int, *, past: bool) -> dict[str, float]:
    """The time of each part in us per event; the first second is warm-up, and ends with a tick."""
    engines = Engines(accounts)
    start = load_start(events / PACE + 1)
    if past:
        engines.remember(start)
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 40, 100)
    minute = (start // MINUTE + 1) * MINUTE
    for begin, total, tag in ((minute - MINUTE, pace, "w"), (minute + 1000, events, "e")):
        engines.cost.clear()
        for block in Generator(Load(total, accounts, begin, PACE, tag=tag), engines.fleet).blocks(pace):
            engines.second(block)
        engines.tick(minute + 1000)
    if (folded := engines.folded()) != pace + events:
        raise RuntimeError(f"{folded} of {pace + events} events were folded")
    return {part: engines.cost[part] / events * 1e6 for part in PARTS}


def parts(world: World) -> None:
    """Few accounts without a past, and many with one."""
    for name, accounts, pace, past in (
        ("5 k accounts", world.size(5_000, 1_000), 200_000, "new"),
        ("100 k accounts, uniform", world.size(100_000, 10_000), 60_000, "past"),
    ):
        events = world.size(5 * pace, pace)
        command = [sys.executable, "-m", "bench.parts", str(accounts), str(events), str(pace), past]
        log = world.directory / f"parts-{past}.log"
        found = run_job(command, log, {**os.environ, "PYTHONPATH": str(ROOT)}, _DEADLINE_S)[-1]
        world.figures.add({f"engine alone, {name}: {part}": float(found[part]) for part in PARTS})
        world.figures.add({f"engine alone, {name}": float(found["us"])})


if __name__ == "__main__":
    size, number, rate, kind = sys.argv[1:5]
    told = run(int(size), int(number), int(rate), past=kind == "past")
    print(json.dumps(told | {"us": sum(told.values())}))
