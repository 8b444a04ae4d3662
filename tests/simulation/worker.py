"""One member of the group: recovers, feeds, advances and flushes as the real one does, when the scheduler says so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from faust.types import TP

from scoring.events import SOURCES
from streams.flush import Flush
from streams.partition_context import Context
from streams.pipeline import Partition
from tests.simulation.world import OUTPUTS, World, Writer


class Table:
    """The part of `StateTable` that a flush sees: one partition, live."""

    def __init__(self, partition: Partition) -> None:
        self.states = {0: partition}
        self.poisoned_since: float | None = None
        self.crowded = False
        self._end = 0

    def live(self) -> dict[int, Partition]:
        """The partition."""
        return self.states

    def poison(self) -> None:
        """A write was refused: nothing more is written."""
        self.poisoned_since = 0.0

    def written(self, offsets: Mapping[TP, int]) -> None:
        """Own rows need not be read back."""
        self._end = max([self._end, *(offset + 1 for offset in offsets.values())])

    def logged(self, number: int) -> int:
        """Behind the last row that was acknowledged."""
        del number
        return self._end


class Share:
    """A `Turn` without a clock: may give way at every call."""

    world: World

    def __init__(self, turns: object, *, patient: bool = False) -> None:
        del turns, patient

    async def __aenter__(self) -> Share:
        await self.world.wait()  # for its turn
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def pause(self) -> None:
        """Let others run, perhaps."""
        await self.world.wait()

    async def aside(self, step: Awaitable[object]) -> None:
        """What others do meanwhile is up to the scheduler."""
        await step


class Worker:
    """Takes the partition over when it is made."""

    def __init__(self, world: World, context: Context, last: int, flush: type[Flush] = Flush) -> None:
        """`last`: wall time when everything was read, milliseconds."""
        self.world = world
        self.last = last
        self.epoch = world.take_over()
        self.partition = Partition(0, context)
        self.failed = False
        self.partition.restore(world.rows())
        self.at = [0] * len(SOURCES)
        for source, feed in enumerate(world.feeds):
            offset, metadata = world.committed.get(source, (0, ""))
            self.partition.resume(source, metadata)
            self.at[source] = next((i for i, r in enumerate(feed) if r.offset >= offset), len(feed))
        self.partition.takeover()
        self.table = Table(self.partition)
        self.writer = Writer(world, self.epoch)
        Share.world = world
        self.tasks: dict[str, asyncio.Task[bool]] = {}
        """The commit and the publication of scores, under way or over."""
        self._steps: Iterator[None] = iter(())
        stubs: dict[str, Any] = {"table": self.table, "intake": SimpleNamespace(uncommitted=0, work=None)}
        self.flush = flush(
            **stubs,
            writer=self.writer,  # type: ignore[arg-type]  # the same calls, no Kafka
            inputs=SOURCES,
            outputs=OUTPUTS,
            deadline=3600.0,
            clock=lambda: last,
            settled=lambda: True,
            commit_offsets=lambda offsets: world.commit(self.epoch, offsets),
            rejoin=lambda: None,
            fail=self._fail,
            part_bytes=world.random.choice((1, 3, 1000)),  # records here
        )

    def _fail(self, error: BaseException) -> None:
        del error
        self.failed = True

    @property
    def dead(self) -> bool:
        """Whether it must stop: a write failed, or somebody newer owns the partition."""
        return self.failed or self.table.poisoned_since is not None

    @property
    def flushing(self) -> bool:
        """Whether a flush is under way."""
        return any(not task.done() for task in self.tasks.values())

    @property
    def read_all(self) -> bool:
        """Whether every feed was handed over to the end."""
        return all(at >= len(feed) for at, feed in zip(self.at, self.world.feeds, strict=True))

    def feed(self) -> None:
        """Some records of some source, also while a tick is under way."""
        waiting = [s for s, feed in enumerate(self.world.feeds) if self.at[s] < len(feed)]
        if waiting:
            source, n = self.world.random.choice(waiting), self.world.random.choice((1, 2, 5, 40))
            self.partition.feed(source, self.world.feeds[source][self.at[source] : self.at[source] + n])
            self.at[source] += n
            self.world.seen["fed under a tick"] += self.partition.fold_meanwhile()

    def advance(self) -> None:
        """A few slices of folding and ticking; the wall clock may stand anywhere."""
        if not self._advance_some(self.world.random.choice((1, 3, 20))):
            ends = [s for s, feed in enumerate(self.world.feeds) if self.at[s] >= len(feed)]
            now = self.last - self.world.random.choice((0, 0, 3_600_000, 40 * 3_600_000))
            self._steps = self.partition.advance(now, frozenset(ends))

    def _advance_some(self, slices: int) -> bool:
        """Go on with what was begun; whether there is more."""
        return all(next(self._steps, self) is not self for _ in range(slices))

    def start_flush(self, *, scores_only: bool = False) -> None:
        """Begin a commit, or a publication of scores, if none is under way; the other one may be."""
        kind = "scores" if scores_only else "commit"
        if kind not in self.tasks or self.tasks[kind].done():
            if self.flushing:
                self.world.seen["commit and publication at a time"] += 1
            step = self.flush.publish_scores() if scores_only else self.flush.commit()
            self.tasks[kind] = asyncio.ensure_future(step)

    async def crash(self) -> None:
        """Everything in memory is gone, in the middle of whatever it was."""
        if self.flushing:
            self.world.seen["crash in a flush"] += 1
        for task in self.tasks.values():
            task.cancel()
        for task in self.tasks.values():
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def wait(self) -> None:
        """For what is under way. Raises what it raised."""
        await asyncio.gather(*self.tasks.values())

    async def finish(self) -> None:
        """Read, tell and write everything there is; in one piece, as nobody looks on any more."""
        with patch("streams.ticking._SLICE", 1000), patch("streams.pipeline._SCORES", 1000):
            while not self.read_all:
                self.feed()
            while self._advance_some(1_000_000):
                pass
            for _ in self.partition.advance(self.last, frozenset(range(len(SOURCES)))):
                pass
            for _ in range(3):
                self.start_flush()
                await self.wait()
