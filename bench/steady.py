"""The whole product under load: everything durable on a real Kafka, from accounts that fit the cache to a million that do not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from bench.load import Load
from bench.observed import Snapshot
from bench.produce import LiveFeed, fill
from bench.raw import raw_rows
from bench.recount import recount
from bench.reference import check_sample
from bench.workers import Window, WorkerProcess, catch_up, rest, running, settle, stop, until
from bench.world import PACE, PARTITIONS, Stage, World, load_start
from scoring.times import HOUR

LIVE_PACE: Final = 60_000
READY_S: Final = 150.0


class Run(NamedTuple):
    """A worker that caught up with a load."""

    window: Window
    start_s: float
    """From the start of the process to its first event."""
    first: Snapshot
    """When the first event was folded."""
    peak_mb: float
    row_bytes: float
    raw_rows_s: float
    """What a client that only reads gets out of the same changelog."""


def finish(
    world: World, scenario: str, at: Stage, workers: Sequence[WorkerProcess], *, others: bool = False
) -> None:
    """Let the workers commit what they folded, stop them in good order, recount, and note what was checked.

    `others`: there were events of accounts outside the fleet, so that only the units can be recounted, not the offsets.
    """
    settle(workers)
    stop(workers)
    world.figures.load[scenario] = recount(at.settings, at.tally, offsets=not others)


def speed(name: str, window: Window) -> dict[str, float]:
    """The two figures of every load."""
    return {name: window.per_core, f"{name}: CPU": window.us}


def steady_5k(world: World) -> None:
    """Five thousand accounts without a past."""
    at = world.mix()
    world.fresh_outputs(at.settings)
    with running(at.settings, world.directory) as [worker]:
        window = catch_up([worker], at.tally.events)
        until(
            [worker], PARTITIONS, 30, "ticks"
        )  # one on each partition: the reference has something to compare
        peak = worker.peak_bytes()
        rest([worker])
        finish(world, "steady-5k", at, [worker])
    world.figures.load["steady-5k"] |= check_sample(at.settings, at.fleet, tick_ms=60_000)
    name = "steady, 5 k accounts"
    world.figures.add(
        speed(name, window)
        | {f"{name}: wall": window.events / window.wall, "memory, 5 k accounts": peak / 1e6}
    )


def _saturated(world: World, scenario: str, accounts: int, events: int, *, zipf: bool) -> Run:
    """A worker recovers the past of its accounts and then reads a load as fast as it can."""
    start = load_start(events / PACE)
    with world.stage(scenario, accounts, past_until=start) as at:
        fill(at.settings, Load(events, accounts, start, PACE, zipf=zipf), at.fleet, at.tally)
        limit = raw_rows(world, at.settings, accounts)
        with running(at.settings, world.directory) as [worker]:
            until([worker], 1, READY_S)
            first = worker.snapshot()
            window = catch_up([worker], at.tally.events)
            peak = worker.peak_bytes() / 1e6
            finish(world, scenario, at, [worker])
    size = sum(len(row.value) for row in at.past) / len(at.past)
    return Run(window, first.first_event - worker.started, first, peak, size, limit)


def steady_100k_zipf(world: World) -> None:
    """A hundred thousand accounts, some of them busy."""
    accounts, events = world.size(100_000, 10_000), world.size(2_500_000, 150_000)
    run = _saturated(world, "steady-100k-zipf", accounts, events, zipf=True)
    world.figures.add(
        speed("steady, 100 k accounts, Zipf", run.window)
        | {"recovery: process start to first event, 100 k accounts": run.start_s}
    )


def steady_1m_zipf(world: World) -> None:
    """A million accounts, some of them busy."""
    accounts, events = world.size(1_000_000, 30_000), world.size(2_500_000, 150_000)
    run = _saturated(world, "steady-1m-zipf", accounts, events, zipf=True)
    rows_s = run.first.rows / max(run.first.last_row - run.first.first_row, 0.01)
    world.figures.add(
        speed("steady, 1 M accounts, Zipf", run.window)
        | {
            "recovery: process start to first event, 1 M accounts": run.start_s,
            "recovery: rows into live state": rows_s,
            "recovery: rows a client reads, doing nothing else": run.raw_rows_s,
            "recovery: of the raw client": rows_s / run.raw_rows_s * 100,
            "state row, mean": run.row_bytes,
        }
    )


def steady_1m_uniform(world: World) -> None:
    """A million accounts, all alike: nearly every event changes another row."""
    accounts, events = world.size(1_000_000, 30_000), world.size(2_000_000, 150_000)
    run = _saturated(world, "steady-1m-uniform", accounts, events, zipf=False)
    world.figures.add(
        speed("steady, 1 M accounts, uniform", run.window) | {"memory, 1 M accounts": run.peak_mb}
    )


def steady_100k_uniform(world: World) -> None:
    """Live, below saturation, so that a commit each second is really held: a saturated worker commits less and so writes less."""
    accounts, seconds = world.size(100_000, 10_000), world.size(30, 8)
    pace = world.size(LIVE_PACE, 10_000)
    total = pace * seconds
    with (
        world.stage("steady-100k-uniform", accounts, past_until=load_start(0)) as at,
        running(at.settings, world.directory) as [worker],
    ):
        until([worker], PARTITIONS, READY_S, "live")
        before = world.disk_bytes(at.settings, "state")
        load = Load(total, accounts, int(time.time() * 1000), pace)
        with LiveFeed(at.settings, load, at.fleet, at.tally) as feed:
            until([worker], total * 0.2, 60)
            window = Window([worker])
            until([worker], total * 0.95, seconds + 60)
            window.end()
            until([worker], total, 60)
        peak = worker.peak_bytes() / 1e6
        finish(world, "steady-100k-uniform", at, [worker])
        written = world.disk_bytes(at.settings, "state") - before
    name = "steady, 100 k accounts, uniform, 1 s commits"
    world.figures.load["steady-100k-uniform"] |= {"pace": pace, "late": round(feed.late_s, 3)}
    world.figures.add(
        speed(name, window)
        | {
            f"{name}: commits held": window.commits,
            "memory, 100 k accounts": peak,
            "changelog, 100 k accounts, uniform": written / at.tally.events,
        }
    )


def backlog(world: World) -> None:
    """A part of a year of five thousand accounts, 500,000 events a day, ticks of an hour: every hour scores everybody."""
    days, per_day = world.size(5, 2), world.size(500_000, 75_000)
    accounts = world.size(5_000, 1_000)
    load = Load(0, accounts, int(time.time() * 1000) // HOUR * HOUR, 1.0).backlog(days, per_day)
    with world.stage("backlog", accounts, tick=3600) as at:
        fill(at.settings, load, at.fleet, at.tally)
        with running(at.settings, world.directory) as [worker]:
            window = catch_up([worker], at.tally.events)
            rest([worker])
            finish(world, "backlog", at, [worker])
        world.figures.load["backlog"] |= check_sample(at.settings, at.fleet, tick_ms=HOUR)
    name = "backlog of 5 k accounts, ticks of 1 h"
    world.figures.add(speed(name, window) | {f"{name}: days": days})
