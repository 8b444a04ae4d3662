"""The worker role: start-up checks, probes, the worker itself, and an end that is never late.

SIGTERM and SIGINT drain: what was folded is flushed and committed, the group is left, exit 0. Any failure, a
broker that is gone or a loop that hangs among them, ends in a non-zero exit within 10 s of the signal: state is in
Kafka, so a worker that dies loses nothing and a worker that hangs does.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable, Coroutine
from enum import IntEnum
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError

from scoring.row import RowVersionError
from streams import heap, logs, topics
from streams.acls import Role
from streams.app import Worker, create_worker
from streams.broker_time import WrongClockError
from streams.clock_metadata import MetadataError
from streams.deadline import Deadline, hear
from streams.fence import ForeignRecordsError, StateLostError
from streams.fetched_ends import LogBehindError
from streams.grown_inputs import GrownInputError
from streams.probes import ProbeServer
from streams.rights import expect_rights
from streams.settings import Settings
from streams.static_member import InstanceTakenError

DRAIN_S: Final = 5.0
"""Time for the last flush and commit."""
LEAVE_S: Final = 2.0
"""Time for leaving the group."""
DEADLINE_S: Final = 9.0
"""Between the reason to stop and the end of the process, whatever hangs."""

_GC_THRESHOLDS: Final = (100_000, 40, 100)
"""What tails are decoded to are tracked objects: the default looks through all young ones at every 700, for nothing.
More than 100,000 at once would hold the loop for longer (docs/adr/0036-what-memory-holds-under-load.md)."""

log = structlog.get_logger(__name__)


class Exit(IntEnum):
    """How a worker ends."""

    OK = 0
    FAILED = 1
    ENVIRONMENT = 3


class TopicsError(Exception):
    """The topics are not as they must be; the text names each fault and the way out."""


def run(settings: Settings, create: Callable[[Settings], Worker] = create_worker) -> int:
    """Run a worker until a signal or a failure; returns the exit code.

    Leaves the event loop and its threads as they are, since Faust takes 7 s to stop them: the caller ends the
    process at once, with `os._exit`.
    """
    logs.configure(settings)
    heap.share_one()
    gc.set_threshold(*_GC_THRESHOLDS)
    gc.freeze()  # modules stay, too
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    code: int = loop.run_until_complete(_serve(settings, create))
    return code


_ENVIRONMENT: Final = (
    TopicsError,
    LogBehindError,
    MetadataError,
    RowVersionError,
    InstanceTakenError,
    StateLostError,
    ForeignRecordsError,
    GrownInputError,
    WrongClockError,
    KafkaError,
    OSError,
)
"""Reasons to stop that no start of the same release changes, or that lie outside the program."""


async def _serve(settings: Settings, create: Callable[[Settings], Worker]) -> int:
    worker, deadline = create(settings), Deadline(DEADLINE_S)
    hear((signal.SIGTERM, signal.SIGINT), deadline, lambda number: _on_signal(worker, number))
    probes = ProbeServer(worker.readiness, worker.registry)
    await probes.start(settings.probes.host, settings.probes.port)
    starting = asyncio.create_task(_start(settings, worker))
    starting.add_done_callback(lambda task: _on_started(worker, task))
    watching = asyncio.create_task(_watch(worker))
    await worker.halt.wait()
    deadline.arm()
    clean = await _stop(worker)
    for task in (starting, watching):
        task.cancel()
    return exit_of(worker.halt.reason, clean=clean)


def exit_of(reason: BaseException | None, *, clean: bool) -> Exit:
    """How a worker ends that stopped for this reason; a start alone does not mend what is ENVIRONMENT."""
    if isinstance(reason, _ENVIRONMENT):
        return Exit.ENVIRONMENT
    return Exit.OK if clean else Exit.FAILED


async def _start(settings: Settings, worker: Worker) -> None:
    _, findings = await asyncio.gather(expect_rights(settings, Role.WORKER), topics.check(settings))
    for finding in findings:
        tell = log.error if finding.level is topics.Level.ERROR else log.warning
        tell(finding.text, topic=finding.topic, problem=finding.problem, way_out=finding.way_out)
    faults = [finding for finding in findings if finding.level is topics.Level.ERROR]
    if faults:
        raise TopicsError("; ".join(f"{fault.topic}: {fault.text} ({fault.way_out})" for fault in faults))
    await worker.start()


def _on_started(worker: Worker, task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        worker.fail(error)


async def _watch(worker: Worker) -> None:
    """Turn a crash inside Faust into a reason to stop."""
    await worker.app.wait_until_stopped()
    worker.fail(worker.app.crash_reason or RuntimeError("the stream processor stopped by itself"))


def _on_signal(worker: Worker, number: int) -> None:
    log.info("stopping", signal=signal.Signals(number).name)
    worker.halt.request()


async def _stop(worker: Worker) -> bool:
    drained = await _in_time(worker.drain(), DRAIN_S, "the last flush")
    await _in_time(worker.leave(), LEAVE_S, "leaving the group")
    log.info("stopped", drained=drained)
    return drained


async def _in_time(step: Coroutine[Any, Any, bool | None], seconds: float, name: str) -> bool:
    """Whether a step of the end succeeded; the end comes in any case, even if the step was cancelled."""
    task = asyncio.create_task(step)
    await asyncio.wait([task], timeout=seconds)
    if not task.done() or task.cancelled():
        log.error("not done in time", step=name, seconds=seconds)
        return False
    if error := task.exception():
        log.error("failed", step=name, error=f"{type(error).__name__}: {error}")
        return False
    return task.result() is not False
