"""One of two workers is told to stop: how long until commits advance on every partition again."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from bench.load import Load
from bench.produce import LiveFeed
from bench.steady import READY_S, finish
from bench.workers import WorkerError, until
from bench.workers import WorkerProcess as Worker
from bench.world import PARTITIONS, World, committed, load_start
from streams.kafka_clients import admin_client
from streams.settings import Settings

_LIMIT_S: Final = 60.0
_POLL_S: Final = 0.05


def takeover(world: World) -> None:
    """Under load; the worse of two stops, so that both halves of the partitions move once."""
    accounts = world.size(100_000, 10_000)
    pace = world.size(5_000, 2_000)
    with world.stage("takeover", accounts, past_until=load_start(0)) as at:
        workers = [Worker(at.settings, world.directory) for _ in range(2)]
        try:
            settle(workers)
            load = Load(pace * 300, accounts, int(time.time() * 1000), pace)
            with LiveFeed(at.settings, load, at.fleet, at.tally) as feed:
                until(workers, pace * 3, 60)
                took = [_stop_one(at.settings, workers)]
                workers.append(Worker(at.settings, world.directory))
                settle(workers)
                time.sleep(2)
                took.append(_stop_one(at.settings, workers))
            drain(at.settings, feed.sent, workers)
            finish(world, "takeover", at, workers)
        finally:
            for worker in workers:
                worker.kill()
    world.figures.add({"takeover: SIGTERM of one of two to commits on all partitions": max(took)})


def settle(workers: list[Worker]) -> None:
    """Wait until the partitions are shared equally and recovered."""
    for worker in workers:
        until([worker], PARTITIONS // len(workers), READY_S, "live")
    deadline = time.monotonic() + READY_S
    while any(worker.snapshot().live != PARTITIONS // len(workers) for worker in workers):
        if time.monotonic() > deadline:
            raise TimeoutError("two workers did not share the partitions")
        time.sleep(_POLL_S)


def _stop_one(settings: Settings, workers: list[Worker]) -> float:
    """Stop the first worker; seconds until the commits of every partition are beyond those of the moment of the signal."""
    leaver = workers.pop(0)
    seconds = asyncio.run(_until_all_advance(settings, leaver))
    try:
        if code := leaver.process.wait(15):
            raise WorkerError(f"the worker that was stopped ended with {code}: {leaver.tail()}")
    finally:
        leaver.kill()
    return seconds


async def _until_all_advance(settings: Settings, leaver: Worker) -> float:
    usage = settings.topic_prefix + "usage"
    async with admin_client(settings.kafka) as admin:
        leaver.process.terminate()
        began = time.monotonic()
        leaver.process.poll()
        last = None
        while leaver.alive:  # its own last commit does not count
            await asyncio.sleep(_POLL_S)
            if time.monotonic() - began > _LIMIT_S:
                raise TimeoutError(f"the worker did not stop within {_LIMIT_S:.0f} s")
        before = await committed(admin, settings)
        numbers = range(settings.kafka.partitions)
        while last is None or any(last.get((usage, n), 0) <= before.get((usage, n), 0) for n in numbers):
            if time.monotonic() - began > _LIMIT_S:
                raise TimeoutError(f"commits stood still for {_LIMIT_S:.0f} s after a SIGTERM")
            await asyncio.sleep(_POLL_S)
            last = await committed(admin, settings)
        return time.monotonic() - began


def drain(settings: Settings, sent: int, workers: list[Worker]) -> None:
    """Wait until everything that was sent is committed."""

    async def wait() -> None:
        async with admin_client(settings.kafka) as admin:
            deadline = time.monotonic() + _LIMIT_S
            while sum((await committed(admin, settings)).values()) < sent:
                if time.monotonic() > deadline or not all(worker.alive for worker in workers):
                    raise TimeoutError("what was sent was not committed")
                await asyncio.sleep(0.2)

    asyncio.run(wait())
