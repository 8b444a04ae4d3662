"""The order of a commit: what must be in the log before what.

1. Publish scores. They go on being published while the commit lasts, one publication at a time.
2. Remember the positions, encode the rows, as many at a time as memory shall hold; folding may go on meanwhile.
3. Without an await after the last row of such a part, take the alerts and dead letters: they cover every row encoded.
4. Alerts, dead letters and every score that was looked at before the last row was encoded are acknowledged before
   the first row of the part is sent: a row in the log says that its scores and alerts are there, too. All rows are
   acknowledged before offsets are committed. All of it is fenced.

Any part of this surviving a crash is safe: rows carry their own fences, so what is read again changes
nothing. A failed write is final: what was encoded is no longer marked as changed, so nothing may be
committed after it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiokafka.structs import OffsetAndMetadata
from faust.types import TP

from streams.clock import Clock
from streams.clock_metadata import sealed
from streams.durations import Durations
from streams.fence import FencedWriter
from streams.intake import Intake
from streams.outbox import FencedError, Outbox
from streams.scoring_pace import SCORING_S
from streams.table import Fail, Partition, StateTable
from streams.turns import Turn

_RENEWAL_S: Final = 3600.0
_PART_BYTES: Final = 8 << 20
"""Encoded rows, compressed, that are written before more of them are encoded."""
_REST: Final = 10
"""Commits begun early for the sake of alerts take at most one part of the time in so many."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Outputs:
    """Full names of the topics written to."""

    state: str
    scores: str
    alerts: str
    dead_letters: str

    @property
    def all(self) -> tuple[str, str, str, str]:
        """All of them; the changelog first."""
        return self.state, self.scores, self.alerts, self.dead_letters


@dataclass
class _Cut:
    """One consistent cut through the live partitions, encoded."""

    told: Outbox
    """Alerts and dead letters; or scores, if nothing but scores is published."""
    rows: Outbox
    states: dict[int, Partition] = field(default_factory=dict)
    offsets: dict[TP, OffsetAndMetadata] = field(default_factory=dict)


class Flush:
    """Writes what the live partitions have to say; one flush at a time."""

    def __init__(
        self,
        table: StateTable,
        intake: Intake,
        writer: FencedWriter,
        *,
        inputs: Sequence[str],
        outputs: Outputs,
        deadline: float,
        clock: Clock,
        settled: Callable[[], bool],
        commit_offsets: Callable[[Mapping[TP, OffsetAndMetadata]], Coroutine[Any, Any, bool]],
        rejoin: Callable[[], None],
        fail: Fail,
        part_bytes: int = _PART_BYTES,
    ) -> None:
        """`deadline` in seconds bounds the commit of offsets, as the writer's own bounds each write.

        After `part_bytes` of rows these are written, before more are encoded.
        `settled` says whether ownership is: a flush must not reach over a rebalance.
        """
        self._table = table
        self._intake = intake
        self._writer = writer
        self._inputs = inputs
        self._outputs = outputs
        self._deadline = deadline
        self._clock = clock
        self._settled = settled
        self._commit_offsets = commit_offsets
        self._rejoin = rejoin
        self._fail = fail
        self._part_bytes = part_bytes
        self._lock = asyncio.Lock()
        self._scoring = asyncio.Lock()
        """Of what is written to `scores`: its batches are numbered as they are encoded."""
        self._ending = 0
        """Last commits that were asked for and are not over."""
        self._committed: dict[TP, int] = {}
        self._renewed_at = time.monotonic()
        self.failed = False
        self.committed_at: float | None = None
        """Monotonic time of the last flush that went through, even if there was nothing to write."""
        self.scored_at: float | None = None
        self.durations = Durations()
        """Of the flushes that went through."""
        self.fenced = 0
        self.scoring_s = 0.0
        """Seconds spent on scores since the start."""
        self.rows_s = 0.0
        """Seconds spent on rows since the start."""
        self._turn = 0
        self._took = 0.0

    @property
    def rested(self) -> bool:
        """Whether the last commit is long ago, for what it took: on a busy worker one more would cost too much."""
        return self.committed_at is not None and time.monotonic() - self.committed_at > _REST * self._took

    async def commit(self, *, last: bool = False) -> bool:
        """Flush everything and commit the offsets; False if that was not possible (and says so by `fail`).

        `last` is the flush before partitions are given up, which is made in any case. From when it is asked for the one
        under way is in a hurry, too, and no scores are published beside it.
        """
        self._ending += last
        try:
            async with self._lock:
                began = time.monotonic()
                done = (last or self._settled()) and await self._guarded(self._commit)
                if done:
                    self.committed_at = time.monotonic()
                    self._took = self.committed_at - began
                    self.durations.add(self._took)
                return done
        finally:
            self._ending -= last

    async def publish_scores(self) -> bool:
        """Flush the scores alone, so that they wait for no commit; their rows stay changed.

        Not before partitions are given up: what is published must be acknowledged by then. Nor while too many
        rows wait.
        """
        async with self._scoring:
            ready = self._settled() and not self._ending and not self._table.crowded
            return ready and await self._guarded(self._publish_scores)

    async def _guarded(self, step: Callable[[_Cut], Awaitable[None]]) -> bool:
        if self.failed or self._table.poisoned_since is not None:
            return False
        cut = _Cut(self._writer.outbox(), self._writer.outbox())
        try:
            await step(cut)
        except FencedError as error:
            self._on_fenced(cut, error)
            return False
        except Exception as error:  # noqa: BLE001 - whatever it was: state and log may disagree now
            self.failed = True
            self._fail(error)
            return False
        except BaseException:
            self.failed = True
            raise
        return True

    def _refuse_after_failure(self) -> None:
        """Folding goes on while rows are encoded: if it failed, some of them may be half changed.

        So do publications: after one that was refused, rows tell of scores that are not in the log.
        """
        if self.failed:
            raise RuntimeError("nothing is written after a failure")
        if self._table.poisoned_since is not None:
            raise FencedError("scores that rows tell of were refused")

    def _on_fenced(self, cut: _Cut, error: FencedError) -> None:
        """A newer owner exists: what was encoded is lost, so the state must be recovered from the log."""
        self.fenced += 1
        log.warning("a write was refused, as the partition has a new owner", error=str(error))
        if any(self._table.states.get(number) is state for number, state in cut.states.items()):
            self._table.poison()
            self._rejoin()

    async def _commit(self, cut: _Cut) -> None:
        async with self._scoring:
            if not await self._guarded(self._publish_scores):
                self._refuse_after_failure()
        await self._write_rows(cut)
        async with self._scoring:
            self._refuse_after_failure()
            await self._renew(cut)
        offsets = {
            tp: OffsetAndMetadata(each.offset, sealed(each.metadata, self._table.logged(tp.partition)))
            for tp, each in cut.offsets.items()
            if self._is_current(cut, tp.partition)
        }
        if offsets:
            done = await asyncio.wait_for(self._commit_offsets(offsets), self._deadline)
            if done:
                self._committed |= {tp: each.offset for tp, each in offsets.items()}
        self._intake.uncommitted = 0

    async def _published(self) -> None:
        """What is being published may be told by rows that were encoded: they wait until it is acknowledged."""
        async with self._scoring:
            self._refuse_after_failure()

    async def _write_rows(self, cut: _Cut) -> None:
        """All rows, block by block of each partition in turn, and part by part what has to be told before them."""
        async with Turn(self._intake.work, patient=not self._ending) as turn:
            walks = deque(self._encode(cut, number, state) for number, state in self._in_turn())
            while walks:
                began, walk, turn.patient = time.monotonic(), walks.popleft(), not self._ending
                if next(walk, None):
                    walks.append(walk)
                self.rows_s += time.monotonic() - began
                if walks and cut.rows.size < self._part_bytes:
                    await turn.pause()
                    continue
                for number, state in cut.states.items():  # no await since the last row
                    now = self._clock()
                    cut.told.put(TP(self._outputs.alerts, number), state.drain_alerts(), now)
                    cut.told.put(TP(self._outputs.dead_letters, number), state.drain_dead_letters(), now)
                await turn.aside(self._write_part(cut))

    async def _write_part(self, cut: _Cut) -> None:
        await self._published()
        await self._writer.write(cut.told)
        self._table.written(await self._writer.write(cut.rows))

    def _is_current(self, cut: _Cut, number: int) -> bool:
        return self._table.states.get(number) is cut.states[number]

    def _in_turn(self) -> list[tuple[int, Partition]]:
        """The live partitions, each time another one first: time for scores may not last for all of them."""
        live = sorted(self._table.live().items())
        self._turn += 1
        first = self._turn % max(len(live), 1)
        return live[first:] + live[:first]

    def _encode(self, cut: _Cut, number: int, state: Partition) -> Iterator[bool]:
        """Puts the rows of a partition into the cut; yields True after each block."""
        positions = {
            TP(self._inputs[source], number): OffsetAndMetadata(offset, metadata)
            for source, (offset, metadata) in state.positions().items()
        }
        pending = state.pending
        if not pending and all(self._committed.get(tp) == each.offset for tp, each in positions.items()):
            return
        cut.states[number] = state
        cut.offsets |= positions
        if pending:
            for block in state.row_blocks():
                cut.rows.put(TP(self._outputs.state, number), block, self._clock())
                yield True

    async def _encode_scores(
        self, box: Outbox, number: int, state: Partition, turn: Turn, enough: float
    ) -> None:
        """Scores, until `scoring_s` has reached `enough`: what is left stays marked, in the rows, too."""
        tp, blocks = TP(self._outputs.scores, number), state.score_blocks()
        while self.scoring_s < enough:
            began = time.monotonic()
            block = next(blocks, None)
            if block is None:
                return
            box.put(tp, block, self._clock())
            self.scoring_s += time.monotonic() - began
            await turn.pause()

    async def _publish_scores(self, cut: _Cut) -> None:
        enough = self.scoring_s + SCORING_S
        async with Turn(self._intake.work) as turn:
            for number, state in self._in_turn():
                if state.scores_pending:
                    cut.states[number] = state
                    await self._encode_scores(cut.told, number, state, turn, enough)
        self._refuse_after_failure()
        await self._writer.write(cut.told)
        self.scored_at = time.monotonic()

    async def _renew(self, cut: _Cut) -> None:
        if time.monotonic() - self._renewed_at > _RENEWAL_S:
            self._renewed_at = time.monotonic()
            cut.states |= self._table.live()  # a refusal concerns them all
            self._table.written(await self._writer.renew(self._writer.owned))
