"""From an event to its score on the topic, and what a lightly loaded worker costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from bench.load import Load
from bench.produce import LiveFeed
from bench.recount import read
from bench.steady import READY_S, finish
from bench.workers import Window, running, until
from bench.world import PARTITIONS, World, alter_topic, load_start
from scoring.times import parse
from streams.settings import Settings

ACCOUNTS: Final = 100_000
WARM_UP_S: Final = 12
_AROUND_TICK_MS: Final = 1000


class _Score(msgspec.Struct):
    as_of: str
    last_seen: dict[str, str]


def _measure(world: World, scenario: str, label: str, pace: int, seconds: int) -> None:
    accounts = world.size(ACCOUNTS, 10_000)
    with (
        world.stage(scenario, accounts, past_until=load_start(0)) as at,
        running(at.settings, world.directory) as [worker],
    ):
        arrival = {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "compact"}
        alter_topic(at.settings, "scores", arrival)
        until([worker], PARTITIONS, READY_S, "live")
        warm_up = world.size(WARM_UP_S, 4)
        load = Load(pace * (warm_up + seconds), accounts, int(time.time() * 1000), pace)
        with LiveFeed(at.settings, load, at.fleet, at.tally) as feed:
            time.sleep(warm_up)
            begin, window = int(time.time() * 1000), Window([worker])
            time.sleep(seconds - 1)
            window.end()
            end = int(time.time() * 1000)
            until([worker], load.events, 60)
        finish(world, scenario, at, [worker])
        took = np.array(list(_delays(at.settings, begin, end)))
    world.figures.load[scenario] |= {"pace": pace, "late": round(feed.late_s, 3)}
    if not len(took):
        raise RuntimeError("no score was published for an event of the window")
    p50, p99 = np.percentile(took, [50, 99])
    name = f"event to score record, {label}"
    world.figures.add(
        {
            f"{name}: p50": p50,
            f"{name}: p99": p99,
            f"{name}: samples": len(took),
            f"CPU at {label.removesuffix('/s')} events/s": window.cpu / window.wall * 100,
        }
    )


def _delays(settings: Settings, begin: int, end: int) -> Iterator[int]:
    """Milliseconds from the newest event behind a score to the append of its record, of records appended in a window.

    A tick publishes, too, what time alone moved: of those records the newest event is older than the tick. One that came in the
    last second before the tick is counted, as the tick may have held it up.
    """
    decode = msgspec.json.Decoder(_Score).decode
    for partition in range(settings.kafka.partitions):
        for record in read(settings, "scores", partition):
            if not begin <= record.timestamp < end:
                continue
            score = decode(record.value)
            newest = max(map(parse, score.last_seen.values()), default=-1)
            if newest > parse(score.as_of) - _AROUND_TICK_MS:
                yield record.timestamp - newest


def latency_1k(world: World) -> None:
    """A thousand events a second, for a minute: one tick is among it."""
    _measure(world, "latency-1k", "1 k/s", world.size(1_000, 1_000), world.size(61, 8))


def latency_50k(world: World) -> None:
    """Fifty thousand events a second."""
    _measure(world, "latency-50k", "50 k/s", world.size(50_000, 10_000), world.size(30, 8))
