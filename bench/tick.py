"""A million accounts: what scoring everybody costs, and how long anything keeps the event loop from its timers."""

from __future__ import annotations

import time
from typing import Final

from bench.load import Load
from bench.produce import LiveFeed, fill
from bench.steady import READY_S, finish
from bench.workers import Window, WorkerProcess, rest, running, until
from bench.world import PARTITIONS, Stage, World
from scoring.times import DAY, HOUR

_FEW: Final = 10_000
_AROUND_S: Final = 60
_PUBLISHED_S: Final = 400.0
"""The first tick of a day moves the score of everybody, and scores take turns with everything else."""


def tick(world: World) -> None:
    """The clock moves with the events alone, so that each full hour comes when it is wanted.

    The first one publishes everybody, as the first of a day does; the second, without load, is measured; the third comes in the
    middle of the load, while the loop is watched.
    """
    accounts, seconds, pace = world.size(1_000_000, 30_000), world.size(30, 8), world.size(50_000, 5_000)
    hour = int(time.time() * 1000) // HOUR * HOUR
    first = hour - 2 * HOUR if (hour - HOUR) % DAY else hour - 3 * HOUR  # not across midnight
    with (
        world.stage("tick", accounts, past_until=first - HOUR, idle=600) as at,
        running(at.settings, world.directory) as [worker],
    ):
        until([worker], PARTITIONS, READY_S, "live")
        _around(at, worker, first)
        quiet, cpu = _around(at, worker, first + HOUR)
        load = Load(pace * seconds, accounts, first + 2 * HOUR - seconds * 500, pace, zipf=True, tag="live")
        behind = int(time.time() * 1000) - load.start_ms
        with LiveFeed(at.settings, load, at.fleet, at.tally, behind_ms=behind) as feed:
            until([worker], 2 * _FEW + load.events * 0.1, seconds + 60)
            loaded = Window([worker])
            until([worker], 2 * _FEW + load.events * 0.95, seconds + 60)
            loaded.end()
            until([worker], 2 * _FEW + load.events, 60)
        finish(world, "tick", at, [worker])
    if (
        min(quiet.ticks, loaded.ticks) < PARTITIONS
    ):  # more of them are those of single minutes, with few accounts
        raise RuntimeError(f"{quiet.ticks:.0f} and {loaded.ticks:.0f} ticks, less than one on each partition")
    world.figures.load["tick"] |= {"pace": pace, "late": round(feed.late_s, 3)}
    world.figures.add(
        {
            "full tick, 1 M accounts: CPU": cpu,
            "loop held, 1 M accounts under load: p99": loaded.lag_ms(0.99),
            "loop held, 1 M accounts under load: max": loaded.lag_ms(1),
        }
    )


def _around(at: Stage, worker: WorkerProcess, hour: int) -> tuple[Window, float]:
    """Some events before and after a full hour: the window in which they are folded, the tick runs and all of it is written.

    Also the CPU seconds that the worker took for it beyond what it takes at rest.
    """
    load = Load(
        _FEW, len(at.fleet.keys), hour - _AROUND_S * 500, _FEW / _AROUND_S, seed=hour % 1000, tag=f"h{hour}"
    )
    before = worker.snapshot().events
    window = Window([worker])
    fill(at.settings, load, at.fleet, at.tally)
    until([worker], before + _FEW, 60)
    pause = rest([worker], _PUBLISHED_S)
    return window.end(), window.cpu - pause.cpu / pause.wall * window.wall
