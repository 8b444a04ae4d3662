"""The composition root of the worker: every part is made and joined here, none reaches for another itself."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol, cast

import structlog
from aiokafka.structs import OffsetAndMetadata
from faust.types import TP
from prometheus_client import CollectorRegistry

from scoring.events import SOURCES
from streams import broker_time
from streams.answers import Answers
from streams.clock import Clock, wall_ms
from streams.faust_app import faust_app
from streams.fence import FencedWriter, compress_fast
from streams.fetch import RecordBlock
from streams.fetch_wait import FetchWait
from streams.fetched_ends import FetchedEnds
from streams.flush import Flush, Outputs
from streams.grown_inputs import expect_counts
from streams.intake import Intake
from streams.kafka_clients import batch_producer
from streams.metrics import Totals, WorkerCollector
from streams.probes import Readiness
from streams.scoring_pace import Pace
from streams.settings import Settings
from streams.start_checks import expect_state
from streams.table import BlockSchema, Partition, StateTable
from streams.transport import Consumer, Transport

_HOUSEKEEPING_S: Final = 0.05
_TAKEN_OVER_S: Final = 2.0
"""For so long after a takeover a commit does not wait for its time."""
_YOUNG_COMMITS: Final = 10
_SESSIONS_FENCED: Final = 3
_DEADLINES_UNSETTLED: Final = 3

log = structlog.get_logger(__name__)


class Scoring(Protocol):
    """What the scoring of all partitions shares: its counters and the hash of its model."""

    @property
    def totals(self) -> Totals:
        """Counters of the process."""

    @property
    def model_hash(self) -> str:
        """Hash of the active model."""


class Halt:
    """The first reason to stop, from wherever it comes."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.reason: BaseException | None = None

    def request(self) -> None:
        """Stop in good order."""
        self._event.set()

    def fail(self, error: BaseException) -> None:
        """Stop because of an error."""
        if self.reason is None:
            self.reason = error
            log.error("the worker must stop", error=f"{type(error).__name__}: {error}")
        self._event.set()

    async def wait(self) -> None:
        """Until there is a reason to stop."""
        await self._event.wait()


class StuckError(Exception):
    """No way forward without a restart."""


class Worker:
    """All parts of one worker process; made in a running event loop."""

    def __init__(
        self, settings: Settings, scoring: Scoring, make: Callable[[int], Partition], clock: Clock = wall_ms
    ) -> None:
        """`make` builds the empty state of a partition number. Raises OSError on an unusable certificate."""
        kafka, prefix = settings.kafka, settings.topic_prefix
        inputs = [prefix + source for source in SOURCES]
        outputs = Outputs(*(prefix + name for name in ("state", "scores", "alerts", "dead-letters")))
        compress_fast()
        self.settings, self._clock = settings, clock
        self._inputs, self._outputs = inputs, outputs
        self._make, self._totals = make, scoring.totals
        self.halt = Halt()
        self.registry = CollectorRegistry()
        self.producer, self.answers = batch_producer(kafka), Answers(kafka)
        self.answers.listen(self.producer.client, "producer")
        self.app = faust_app(settings)
        self.writer = FencedWriter(kafka.group, outputs.all, self.producer, kafka.write_deadline, clock)
        self.table = StateTable(
            self.app, topic=outputs.state, inputs=inputs,
            make=make, writer=self.writer, fail=self.fail,
        )  # fmt: skip
        self.app.tables.add(self.table)
        ends = FetchedEnds(clock, FetchWait(kafka.fetch_wait_ms, settings.engine))
        self.intake = Intake(
            self.table, inputs, settings.engine, clock=clock, stale_ms=max(1000, 4 * kafka.fetch_wait_ms),
            fetched_end=ends.get, dead=scoring.totals.dead.total, fail=self.fail,
        )  # fmt: skip
        self.flush = Flush(
            self.table, self.intake, self.writer, inputs=inputs, outputs=outputs,
            deadline=kafka.write_deadline, clock=clock, commit_offsets=self._commit_offsets,
            settled=self._is_settled, rejoin=self._rejoin, fail=self.fail,
        )  # fmt: skip
        cast("Transport", self.app.transport).wire(
            self.intake, self.flush, ends, self.answers, kafka.fetch_wait_ms, self.fail
        )
        self._add_agent(inputs)
        self._tasks: list[asyncio.Task[None]] = []
        self._early: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._early.set_result(True)
        self._connected = False
        self._settled = False
        self._settled_at = time.monotonic()
        self.registry.register(
            WorkerCollector(
                table=self.table, intake=self.intake, flush=self.flush,
                totals=scoring.totals, throttled=self.answers.held_s, model_hash=scoring.model_hash,
                recovery_rows_left=self.recovery_rows_left, clock=clock,
            )
        )  # fmt: skip

    @property
    def consumer(self) -> Consumer:
        """The consumer; made by Faust at the first use."""
        return cast("Consumer", self.app.consumer)

    async def start(self) -> None:
        """Connect and join the group; returns when the first recovery is over.

        Raises what `expect_state` and `broker_time.ask` raise, before anybody in the group notices.
        """
        await expect_state(self.settings, self._make)
        await self.producer.start()
        await broker_time.ask(self.producer, self._outputs.dead_letters, self._clock)
        for topic in (
            *self._inputs,
            *self._outputs.all,
        ):  # before they are needed; inputs so that it knows of them at all
            self.producer.client.add_topic(topic)
        self._connected = True
        duties = (self._keep_house(), self._publish_scores(), self.answers.watch())
        self._tasks = [asyncio.create_task(duty) for duty in duties]
        for task in self._tasks:
            task.add_done_callback(self._on_task_done)
        await self.app.start()

    def fail(self, error: BaseException) -> None:
        """Stop because of an error; nothing is flushed from this moment on."""
        self.flush.failed = True
        self.halt.fail(error)

    async def drain(self) -> bool:
        """Take no more, flush and commit what was folded; False if something could not be written.

        Also if nothing was left to write and no broker answers: nobody knows then what became of the rest.
        """
        self.intake.closed = True
        if not self._connected:  # nothing was taken yet
            return not self.halt.reason
        done = not self.halt.reason and await self.flush.commit(last=True)
        return done and bool(await self.producer.client.force_metadata_update())

    async def leave(self) -> None:
        """Leave the group, so that others take over at once."""
        self.intake.closed = True
        for task in self._tasks:
            task.cancel()
        if self.app.started:
            await self.consumer.thread.leave()

    def readiness(self) -> Readiness:
        """Whether this worker does its work; for the probe."""
        reasons = self.answers.silence()
        if not self._is_settled():
            reasons.append("waiting for an assignment or its recovery")
        if self.table.poisoned_since is not None:
            reasons.append("a partition was taken over by another worker")
        if self.flush.failed or self.halt.reason:
            reasons.append("a failure; the process is about to stop")
        young = max(30.0, _YOUNG_COMMITS * self.settings.engine.commit_interval)
        if self.flush.committed_at is None or time.monotonic() - self.flush.committed_at > young:
            reasons.append(f"no commit went through in the last {young:.0f} s")
        return Readiness(
            ready=not reasons, reasons=reasons, partitions=sorted(self.table.live()),
            recovery_rows_left=self.recovery_rows_left(),
        )  # fmt: skip

    def recovery_rows_left(self) -> int:
        """Changelog records between what was restored and the end, over all partitions."""
        left: int = cast("Any", self.app.tables).recovery.active_remaining_total()
        return max(0, left)

    def _is_settled(self) -> bool:
        waiting = self.app.rebalancing or self.app.in_recovery or self.table.generation is None
        return not waiting and not self.table.fresh

    async def _commit_offsets(self, positions: Mapping[TP, OffsetAndMetadata]) -> bool:
        return await self.consumer.commit_positions(positions)

    def _rejoin(self) -> None:
        self.consumer.thread.rejoin()

    def _add_agent(self, inputs: Sequence[str]) -> None:
        topic = self.app.topic(*inputs, schema=BlockSchema(), key_type=bytes, value_type=bytes, acks=False)

        async def score(stream: AsyncIterable[list[RecordBlock]]) -> None:
            async for blocks in stream:
                await self.intake.take(blocks)

        self.app.agent(topic, name="score")(cast("Any", score))

    async def _keep_house(self) -> None:
        """Time passes: partitions advance without records, and what is stuck for good ends the process."""
        while True:
            await asyncio.sleep(_HOUSEKEEPING_S)
            settled, now = self._is_settled(), time.monotonic()
            if settled:
                self._commit_early()
                self.intake.advance_all()
                self._settled_at = now
            elif self.app.started:
                self.consumer.thread.hear_group()
            if settled and not self._settled:
                gc.collect()
                gc.freeze()  # what was recovered stays: the collector need not look at it again
                log.info("partitions assigned", partitions=sorted(self.table.live()))
            self._settled = settled
            self._check_progress(now)
            expect_counts(self.producer.client.cluster, self._inputs, self.settings.kafka.partitions)
            for kind, name in self._totals.unknown.untold():
                log.warning(
                    "events carry a field that no release knows; it is ignored", type=kind, field=name
                )

    def _commit_early(self) -> None:
        """Some things do not wait for a commit: days of a backlog, alerts, and the first events after a takeover."""
        live = self.table.live().values()
        taken_over = time.monotonic() - self.table.live_at < _TAKEN_OVER_S
        alerts = not self.intake.catching_up and any(state.alerts_pending for state in live)
        hurry = self.flush.rested and (alerts or (taken_over and any(state.pending for state in live)))
        if self._early.done() and (hurry or any(state.held_back for state in live)):
            self._early = asyncio.ensure_future(self.flush.commit())

    def _check_progress(self, now: float) -> None:
        """Faust can lose its recovery to a time-out and wait for ever; then only a new start helps."""
        poisoned, kafka = self.table.poisoned_since, self.settings.kafka
        if poisoned is not None and now - poisoned > _SESSIONS_FENCED * kafka.session_timeout:
            self.fail(StuckError("another worker owns a partition, and the group does not say so"))
        if self.table.fresh and now - self.table.progress_at > kafka.write_deadline:
            self.fail(StuckError(f"recovery made no progress for {kafka.write_deadline:.0f} s"))
        limit = _DEADLINES_UNSETTLED * kafka.write_deadline
        if now - max(self._settled_at, self.table.progress_at) > limit:
            self.fail(StuckError(f"a rebalance is not over after {limit:.0f} s"))

    async def _publish_scores(self) -> None:
        """After each batch, as far as the pace allows; ticks move scores, too."""
        pace, pause = Pace(self.settings.engine.score_interval), self.settings.engine.score_interval
        while True:
            await asyncio.sleep(pause)
            if not self._scores_pending():
                self.intake.news.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.intake.news.wait(), self.settings.engine.score_interval)
            if self._scores_pending():
                await self.flush.publish_scores()
            pause = pace.pause(self.flush.scoring_s, self.flush.rows_s)

    def _scores_pending(self) -> bool:
        return any(state.scores_pending for state in self.table.live().values())

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.fail(error)


def create_worker(settings: Settings) -> Worker:
    """The worker of these settings, with the product's own scoring. Call it in a running event loop."""
    from streams.context import build_context  # noqa: PLC0415 - tests bring their own states
    from streams.pipeline import Partition as ScoredPartition  # noqa: PLC0415

    context = build_context(settings)
    return Worker(settings, context, lambda number: ScoredPartition(number, context))
