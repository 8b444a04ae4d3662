"""One of two workers is stopped and started again at once, as an upgrade does it: with a name in the group, and without."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Final

from bench.load import Load
from bench.produce import LiveFeed
from bench.steady import finish
from bench.takeover import drain, settle
from bench.workers import WorkerError, WorkerProcess, until
from bench.world import PARTITIONS, World, committed, load_start
from streams.kafka_clients import admin_client
from streams.settings import Settings

_AFTER_S: Final = 3.0
_POLL_S: Final = 0.05
_NAMES: Final = {"with a name": ("a", "b"), "without a name": (None, None)}


def restart(world: World) -> None:
    """Under load, each of the two once; for how long the commits of partitions stood still."""
    for label, (one, two) in _NAMES.items():
        found = sorted(_stalls(world, label, one, two))
        world.figures.add(
            {
                f"restart of one of two {label}: longest stall": found[-1],
                f"restart of one of two {label}: stalls, all partitions": sum(found),
            }
        )


def _stalls(world: World, label: str, *names: str | None) -> list[float]:
    """Of each restart and partition, the longest time in which its commits stood still."""
    accounts, pace = world.size(100_000, 10_000), world.size(5_000, 2_000)
    scenario = f"restart-{label.split(maxsplit=1)[0]}"
    with world.stage(scenario, accounts, past_until=load_start(0)) as at:
        workers = [WorkerProcess(named(at.settings, name), world.directory) for name in names]
        try:
            settle(workers)
            load = Load(pace * 300, accounts, int(time.time() * 1000), pace)
            with LiveFeed(at.settings, load, at.fleet, at.tally) as feed:
                until(workers, pace * 3, 60)
                found = []
                for name in names:
                    with Stalls(at.settings) as stalls:
                        workers = [workers[1], _again(world, named(at.settings, name), workers[0])]
                        settle(workers)
                        time.sleep(_AFTER_S)
                    found += stalls.longest
            drain(at.settings, feed.sent, workers)
            finish(world, scenario, at, workers)
        finally:
            for worker in workers:
                worker.kill()
    return found


def named(settings: Settings, name: str | None) -> Settings:
    """The same settings for a worker of that name."""
    kafka = settings.kafka.model_copy(update={"instance_id": name})
    return settings.model_copy(update={"kafka": kafka})


def _again(world: World, settings: Settings, worker: WorkerProcess) -> WorkerProcess:
    """Stop a worker and start it again."""
    worker.process.terminate()
    worker.process.wait(15)
    return WorkerProcess(settings, world.directory)


class Stalls:
    """Watches the commits of each partition, from a thread of its own."""

    def __init__(self, settings: Settings) -> None:
        self.longest = [0.0] * PARTITIONS
        """Seconds, by partition."""
        self._settings = settings
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stalls")
        self._error: BaseException | None = None

    def _run(self) -> None:
        try:
            asyncio.run(self._watch())
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            self._error = error

    async def _watch(self) -> None:
        usage = self._settings.topic_prefix + "usage"
        async with admin_client(self._settings.kafka) as admin:
            last: dict[int, tuple[int, float]] = {}
            while not self._over.is_set():
                found, now = await committed(admin, self._settings), time.monotonic()
                for number in range(PARTITIONS):
                    offset = found.get((usage, number), 0)
                    before, since = last.get(number, (-1, now))
                    self.longest[number] = max(self.longest[number], now - since)
                    if offset != before:
                        last[number] = offset, now
                await asyncio.sleep(_POLL_S)

    def __enter__(self) -> Stalls:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)
        if self._error is not None or self._thread.is_alive():
            raise WorkerError(f"commits could not be watched: {self._error}") from self._error
