"""Known bugs, planted for the simulation to find. Nothing here is reachable from the product."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from scoring.times import UNSET
from streams.flush import Flush
from streams.folding import Folding
from streams.pipeline import Partition
from streams.source_queue import Chunk
from streams.ticker import Ticker


class CommitsBeforeAcknowledgement(Flush):
    """Commits the offsets while the rows are still on their way: a crash in between loses events."""

    async def _commit(self, cut: Any) -> None:
        write = self._writer.write

        async def later(outbox: Any) -> Any:
            if outbox is cut.rows and cut.offsets:
                await asyncio.wait_for(self._commit_offsets(cut.offsets), self._deadline)
            return await write(outbox)

        with patch.object(self._writer, "write", later):
            await super()._commit(cut)


class WritesRowsBeforeTheirScores(Flush):
    """Rows do not wait for the scores that are being published: one that fails is never told."""

    async def _published(self) -> None:
        pass


class TellsAlertsAfterTheirRows(Flush):
    """Alerts follow the rows that say that they were told: a crash in between loses them."""

    async def _write_part(self, cut: Any) -> None:
        told, cut.told = cut.told, self._writer.outbox()
        await super()._write_part(cut)
        await self._writer.write(told)
        cut.told = told


class PublishesAtAnyTime(Flush):
    """Two publications at a time: batches arrive in another order than they were numbered in."""

    async def publish_scores(self) -> bool:
        return await self._guarded(self._publish_scores)


@contextmanager
def no_offset_fence() -> Iterator[None]:
    """Rows do not remember what they have seen: what is read again counts again."""
    accept = Folding.accept

    def without(self: Folding, source: int, chunk: Chunk, upcoming: int) -> None:
        self.store.hot["fence"][chunk.rows, source] = UNSET
        accept(self, source, chunk, upcoming)

    with patch.object(Folding, "accept", without):
        yield


@contextmanager
def clock_of_the_newest_row() -> Iterator[None]:
    """After a crash the clock goes on from the newest row: older rows of the same flush miss their ticks."""
    takeover = Partition.takeover

    def without(self: Partition) -> None:
        takeover(self)
        newest = int(self.store.hot["tick"][: self.store.n].max(initial=UNSET))
        self.clock_ms = max(self.clock_ms, newest)

    with patch.object(Partition, "takeover", without):
        yield


@contextmanager
def folds_before_the_tick() -> Iterator[None]:
    """What follows a tick under way is folded into accounts that it has not evaluated yet."""
    fold_meanwhile = Partition.fold_meanwhile

    def without(self: Partition) -> bool:
        with patch.object(Ticker, "evaluate", lambda self, rows: None):
            return fold_meanwhile(self)

    with patch.object(Partition, "fold_meanwhile", without):
        yield
