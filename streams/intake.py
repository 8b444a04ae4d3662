"""What goes into the partitions: every record of the log once and in order, and the time to work on them.

The position of each input partition is the end of the last block fed. A block is taken only where the one
before it ended: what was lost in a rebalance or a seek is noticed and fetched again, what comes twice is cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Final

import structlog
from aiokafka.structs import OffsetAndMetadata
from faust.types import TP

from scoring.events import SOURCES
from streams.brake import BrakeWatch
from streams.clock import Clock
from streams.durations import Durations
from streams.fetch import RecordBlock, by_partition
from streams.fetched_ends import FetchedEnd, Lag, LogBehindError, lag
from streams.settings import Engine
from streams.table import Fail, Partition, StateTable
from streams.turns import Turn, Turns

_PATIENCE_S: Final = 0.02
_ALONE_S: Final = 0.25
_BEGIN_S: Final = 0.005
"""Time in which a tick begins: it marks whom it concerns."""
_MUCH: Final = 1_000
"""With so many events to fold a partition goes on alone for a while: they leave the cache."""
_FOLD_AFTER: Final = 1000
_BACKLOG: Final = 20
"""Without a commit at most this many times `max_queued` records are fed: an outage shall not fill memory."""
_MOST_UNFOLDED: Final = 10_000
"""Events of a partition that may wait while it catches up, before no more are fed."""
_MOST_AHEAD: Final = 5_000
"""Records of one partition that may wait for slower sources: those are read first, more would only take memory."""

log = structlog.get_logger(__name__)


class Intake:
    """Feeds blocks to the live partitions and lets them advance."""

    def __init__(
        self,
        table: StateTable,
        inputs: Sequence[str],
        settings: Engine,
        *,
        clock: Clock,
        stale_ms: int,
        fetched_end: Callable[[TP], FetchedEnd | None],
        dead: Callable[[], int],
        fail: Fail,
    ) -> None:
        """`inputs` are topics in the order of the sources, `dead` tells how many records were rejected.

        A feed whose last fetch answer was asked for more than `stale_ms` ago is not idle: nobody knows what it holds.
        """
        self._table = table
        self._inputs = inputs
        self._sources = {topic: source for source, topic in enumerate(inputs)}
        self._settings = settings
        self._clock = clock
        self._stale_ms = stale_ms
        self._fetched_end = fetched_end
        self._fail = fail
        self._brake = BrakeWatch(settings, dead, fail)
        self._paused: set[TP] = set()
        self._touched: dict[TP, float] = {}
        self._advancing: dict[int, asyncio.Task[None] | None] = {}
        """Who lets a partition advance: a task of its own, or whoever feeds it."""
        self._hurried = False
        self.positions: dict[TP, int] = {}
        self.last_record_ms: dict[TP, int] = {}
        self.uncommitted = 0
        self.deleted = Counter[str]()
        """Records of each source that were deleted before they were read."""
        self.missed = False
        """Set when a block is missing; the consumer seeks back and resets it."""
        self.closed = False
        self._alone = asyncio.Lock()
        """Partitions catch up one after the other, and tick in turns."""
        self.work = Turns()
        """Whose turn it is to work on partitions."""
        self.news = asyncio.Event()
        """Set when a batch was folded."""
        self.durations = Durations()
        """Of taking and folding a batch."""

    # -- what to fetch

    def partitions(self) -> list[TP]:
        """The input partitions of everything owned."""
        return [TP(topic, number) for number in self._table.states for topic in self._inputs]

    def source_name(self, tp: TP) -> str:
        """The name of the source behind an input partition."""
        return SOURCES[self._sources[tp.topic]]

    def wanted(self, candidates: Iterable[TP]) -> set[TP]:
        """The input partitions among the candidates that have room."""
        if self.closed or self.uncommitted > _BACKLOG * self._settings.max_queued:
            return set()
        if self._table.crowded:
            return set()
        slowest = {n: state.slowest(*self.quiet(n)) for n, state in self._table.states.items()}
        return {tp for tp in candidates if tp.topic in self._sources and self._has_room(tp, slowest)}

    @property
    def starting(self) -> bool:
        """Whether some clock has not begun: it waits until every source was heard."""
        return any(state.clock_ms < 0 for state in self._table.live().values())

    def _has_room(self, tp: TP, slowest: Mapping[int, Set[int]]) -> bool:
        state, source = self._table.states.get(tp.partition), self._sources[tp.topic]
        queued, most = state.queued(source) if state else 0, self._settings.max_queued
        if source not in slowest.get(tp.partition, ()):
            most = min(most, _MOST_AHEAD)
        if queued >= most:
            self._paused.add(tp)
        elif queued * 2 < most:
            self._paused.discard(tp)
        return tp not in self._paused

    # -- where to read on

    def start_positions(
        self, committed: Mapping[TP, OffsetAndMetadata], earliest: Mapping[TP, int], ends: Mapping[TP, int]
    ) -> dict[TP, int]:
        """Where to seek: live partitions read on after what was fed, fresh ones after what was committed.

        Raises LogBehindError if an input ends before that.
        """
        starts: dict[TP, int] = {}
        for tp, end in ends.items():
            start, known = self._known(tp, committed)
            if known > end:
                raise LogBehindError(
                    f"{tp.topic}[{tp.partition}] ends at offset {end}, but was read up to {known}: the topic "
                    "was created anew; use a new group and a new topic prefix, or restore the topic"
                )
            starts[tp] = max(earliest[tp], start or 0)
        return starts

    def _known(self, tp: TP, committed: Mapping[TP, OffsetAndMetadata]) -> tuple[int | None, int]:
        """Where to read on, None for the beginning; and how far the partition was read at any time."""
        position = committed[tp].offset if tp in committed else None
        if self._live(tp.partition):
            position = self.positions.get(tp, position)
        state = self._table.states.get(tp.partition)
        # the broker forgets what was committed when a topic is deleted, the rows do not
        return position, max(position or 0, state.seen(self._sources[tp.topic]) + 1 if state else 0)

    def resume(self, starts: Mapping[TP, int], committed: Mapping[TP, OffsetAndMetadata]) -> None:
        """The consumer stands at `starts`: recovered partitions go live, live ones read on."""
        for number in [n for n in self._table.fresh if self._table.recovered(n)]:
            tps = [TP(topic, number) for topic in self._inputs]
            if not all(tp in starts for tp in tps):
                continue  # owned only since the positions were asked for
            for source, tp in enumerate(tps):
                known = committed.get(tp)
                self._move(tp, known.offset if known else None, starts[tp])
                self._touched[tp] = time.monotonic()
                metadata = known.metadata if known else ""
                self._table.states[number].resume(source, metadata)
                self._table.expect_logged(number, metadata)
            self._table.go_live(number)
        for tp, start in starts.items():
            if self._live(tp.partition) is not None:  # or it was lost while positions were asked for
                self._move(tp, self.positions.get(tp), max(start, self.positions.get(tp, start)))

    def _move(self, tp: TP, before: int | None, start: int) -> None:
        """Read on at `start`; what lies between was deleted by the broker, nobody can read it any more."""
        self.positions[tp] = start
        if before is not None and before < start:
            self.deleted[self.source_name(tp)] += start - before
            log.error("records were deleted before they were read", topic=tp.topic,
                      partition=tp.partition, first=before, records=start - before)  # fmt: skip

    # -- records

    async def take(self, blocks: Iterable[RecordBlock]) -> None:
        """Feed blocks and let their partitions advance.

        Partition by partition, and each as soon as some thousand records are fed: what was just decoded is
        still in the processor's cache when it is folded.
        """
        began, self._hurried = time.monotonic(), False
        async with Turn(self.work) as turn:
            for number, own in by_partition(blocks):
                fed = 0
                for block in own:
                    await self._let_fold(number, turn)
                    with self._fatal():
                        fed += self._feed(block)
                    await turn.pause()
                    if fed >= _FOLD_AFTER:
                        await self._fold(number, turn)
                        fed = 0
                if fed:
                    await self._fold(number, turn)
        self.news.set()
        self.durations.add(time.monotonic() - began)

    async def _let_fold(self, number: int, turn: Turn) -> None:
        """Who catches up with much is fed no more meanwhile: what waits decoded takes memory, and leaves the cache."""
        while (running := self._advancing.get(number)) and self._waiting(number) >= _MOST_UNFOLDED:
            await turn.aside(asyncio.wait([running], timeout=_PATIENCE_S))

    async def _fold(self, number: int, turn: Turn) -> None:
        """Fold what was fed, so that feeding does not outrun it; without waiting for a long catching up."""
        running, state = self._advancing.get(number), self._live(number)
        if running is not None and state is not None and self._folds_meanwhile(state):
            return
        if running is not None or self._hurried:
            running = running or self.advance(number)
            if running is not None and not self._hurried:
                await turn.aside(asyncio.wait([running], timeout=_PATIENCE_S))
                self._hurried = not running.done()
            return
        if state is None or self.closed:
            return
        self._advancing[number], steps, done = None, self._steps(number, state), False
        try:
            done = await turn.walk(steps, _PATIENCE_S)
        finally:
            del self._advancing[number]
            if not done:  # also if feeding was cancelled: a tick that began must end
                self._start(number, steps)
        self._hurried = not done

    def _folds_meanwhile(self, state: Partition) -> bool:
        with self._fatal():
            return not self.closed and state.fold_meanwhile()

    def _waiting(self, number: int) -> int:
        """Events of a live partition that wait to be folded."""
        state = None if self.closed else self._live(number)
        return sum(map(state.queued, range(len(self._inputs)))) if state else 0

    def _live(self, number: int) -> Partition | None:
        return None if number in self._table.fresh else self._table.states.get(number)

    def _feed(self, block: RecordBlock) -> int:
        """Hand a block to its partition; returns how many records that were."""
        tp = block.tp
        state = self._live(tp.partition)
        if state is None or self.closed or block.generation != self._table.generation:
            return 0
        position = self.positions[tp]
        if block.begin > position:
            self.missed = True
        if block.begin > position or block.end <= position:
            return 0
        records = block.records.since(position)
        self.positions[tp] = block.end
        if not records:
            return 0
        state.feed(self._sources[tp.topic], records)
        self._touched[tp], self.last_record_ms[tp] = time.monotonic(), records.timestamps.item(-1)
        self.uncommitted += len(records)
        self._brake.look(len(records))
        return len(records)

    # -- time

    def quiet(self, number: int) -> tuple[int, set[int]]:
        """Sources of a partition number that are read to their end and have had nothing new for a while.

        Before them: up to when (ms) that is known of all of them, now if there is none. What was appended since
        their ends were asked for may be in no answer yet.
        """
        now = self._clock()  # before the feeds are asked: a freeze in between must not pass for their quiet
        quiet = {
            source: until
            for source, topic in enumerate(self._inputs)
            if (until := self._quiet_until(TP(topic, number), now)) is not None
        }
        return min([now, *quiet.values()]), set(quiet)

    def _quiet_until(self, tp: TP, now: int) -> int | None:
        """When the end of a source that is idle was asked for; None if it is not idle."""
        end, position = self._fetched_end(tp), self.positions.get(tp)
        if end is None or position is None or position < end.offset:
            return None
        if not 0 <= now - end.asked_ms <= self._stale_ms:  # below 0: the clock was set back
            return None
        silent = time.monotonic() - self._touched[tp]
        return end.asked_ms if silent >= self._settings.idle else None

    def lag(self, tp: TP) -> Lag:
        """What waits in an input partition (offsets, to be exact), and for how long."""
        end, position, last_ms = self._fetched_end(tp), self.positions.get(tp), self.last_record_ms.get(tp)
        return lag(end, position, last_ms, self._clock(), self._stale_ms)

    def advance(self, number: int) -> asyncio.Task[None] | None:
        """Let a live partition fold and tick in a task of its own, unless somebody does so already."""
        state = self._live(number)
        if number in self._advancing or state is None or self.closed:
            return self._advancing.get(number)
        return self._start(number, self._steps(number, state))

    @property
    def catching_up(self) -> bool:
        """Whether some partition ticks, or catches up, in a task of its own."""
        return any(self._advancing.values())

    def advance_all(self) -> None:
        """Let every live partition advance: time passes without records, too."""
        for number in self._table.live():
            self.advance(number)

    def _start(self, number: int, steps: Iterator[None]) -> asyncio.Task[None]:
        task = self._advancing[number] = asyncio.create_task(self._advance(number, steps))
        task.add_done_callback(lambda task: task.cancelled() or task.exception())  # reported already
        return task

    async def _advance(self, number: int, steps: Iterator[None]) -> None:
        try:
            async with Turn(self.work) as turn:  # what follows a tick can be folded as soon as that has begun
                done = await turn.walk(steps, _BEGIN_S)
            while not done:
                behind = self._waiting(number) > _MUCH  # or else its tick is what can wait: others go first
                async with self._alone, Turn(self.work, patient=not behind) as turn:
                    done = await turn.walk(steps, _ALONE_S if behind else _PATIENCE_S)
        finally:
            del self._advancing[number]

    def _steps(self, number: int, state: Partition) -> Iterator[None]:
        with self._fatal():
            for _ in state.advance(*self.quiet(number)):
                yield
                if self._table.states.get(number) is not state or self.closed:
                    return

    @contextlib.contextmanager
    def _fatal(self) -> Iterator[None]:
        """Report an error at once, before anything can be flushed: the state it left may be half changed."""
        try:
            yield
        except Exception as error:
            self._fail(error)
            raise
