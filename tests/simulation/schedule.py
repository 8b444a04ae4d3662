"""One run: a history, a seeded sequence of what happens to its workers, and what must be true in the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Any

import msgspec

from alerts.model import Alert
from scoring.model import parse_model
from scoring.row import Pair
from scoring.times import HOUR
from streams.context import make_context
from streams.flush import Flush
from streams.partition_context import Context
from streams.pipeline import Partition
from streams.ticking import TickLine
from tests.oracle.columns import accounts, restored
from tests.oracle.compare import differences
from tests.oracle.histories import history
from tests.simulation.worker import Worker
from tests.simulation.world import World

TICK, GRACE, STEPS = 6 * HOUR, 60_000, 250
SCHEDULES = 4
"""Of each history."""
MODEL = parse_model("""
name: simulated
minimum_coverage: 100
dimensions:
  product_usage:
    weight: {high_touch: 3, low_touch: 3, tech_touch: 3}
    signals:
      activity: {weight: 1, curve: [[0, 0], [6, 100000]]}
      adoption_breadth: {weight: 1, curve: [[0, 0], [8000, 100000]]}
  support:
    weight: {high_touch: 2, low_touch: 2, tech_touch: 2}
    signals:
      ticket_volume: {weight: 1, window_days: 90, default_seats: 20, curve: [[0, 100000], [20000, 0]]}
bands: {hold_hours: {red: 12, amber: 6, green: 12}}
lifecycle: {onboarding_days: 0}
rules:
  band_entered: {bands: [red, amber], hold_hours: 6}
  complaint: {}
""")
Told = dict[tuple[str, str], TickLine]
AlertKey = tuple[str, str, int]


@dataclass
class Result:
    """What differs from an undisturbed run, and which faults really bit."""

    seed: int
    differences: list[str]
    seen: Counter[str] = field(default_factory=Counter)


def feeds_of(seed: int) -> list[list[Any]]:
    """A short random log of one partition, by source."""
    # A single busy account sends more usage than there are ids remembered: then only the fence tells what was seen.
    accounts, events = (1, 600) if seed % 6 == 0 else (5, 30)
    records = history(seed, accounts=accounts, events=events, days=4, tick=TICK, grace=GRACE, rejects=0.02)
    return [[r for r in records if r.source == source] for source in range(6)]


def simulate(
    seed: int,
    *,
    flush: type[Flush] = Flush,
    fenced: bool = True,
    plant: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Result:
    """Run one seed. `flush`, `fenced`, `plant` are where bugs are planted; what is expected is told without them.

    Everything random comes from the seed: the same seed does the same again.
    """
    random = Random(f"simulation {seed}")
    expected = undisturbed(seed // SCHEDULES)
    told: Told = {}
    wrong: list[str] = []
    world = World(expected.feeds, random, fenced=fenced)
    context = _context(told, wrong)
    with plant():
        asyncio.run(_live_through(world, context, expected.last, flush))
    rebuilt = Partition(0, make_context(MODEL, tick_ms=TICK, grace_ms=GRACE))
    restored(rebuilt, world.rows())
    rebuilt.store.roll(expected.day)  # rows are not written for the sake of a day alone
    wrong += [f"rebuilt: {d}" for d in differences(expected.accounts, accounts(rebuilt))]
    wrong += differences(expected.told, told) + world.wrong
    wrong += _bands_of(expected.told, world.scores)
    wrong += _alerts_differ(expected.alerts, world.alerts)
    world.seen["replayed"] = sum(n for (_, fate), n in context.totals.events.items() if fate == "replayed")
    return Result(seed, wrong, world.seen)


@dataclass(frozen=True)
class Undisturbed:
    """A log, and what one worker that never failed says about it."""

    feeds: list[list[Any]]
    last: int
    accounts: dict[str, dict[str, Any]]
    day: int
    told: Told
    alerts: list[Alert]


@lru_cache(maxsize=1)
def undisturbed(number: int) -> Undisturbed:
    """One of the histories, told by one worker in one piece; the schedules of a history follow one another."""
    feeds = feeds_of(number)
    told: Told = {}
    last = max(r.timestamp for feed in feeds for r in feed) // TICK * TICK + 2 * TICK + GRACE + 1
    world = World(feeds, Random(0))
    world.lossy = False

    async def live() -> Partition:
        worker = Worker(world, _context(told, []), last)
        await worker.finish()
        return worker.partition

    partition = asyncio.run(live())
    return Undisturbed(feeds, last, accounts(partition), partition.store.day, told, world.alerts)


def _context(told: Told, wrong: list[str]) -> Context:
    def log(lines: Sequence[TickLine]) -> None:
        for line in lines:
            known = told.setdefault((line.as_of, line.account_id), line)
            if known != line:
                wrong.append(f"tick {line.as_of} of {line.account_id} was told twice, differently")

    return make_context(MODEL, tick_ms=TICK, grace_ms=GRACE, tick_log=log, decoded_tails=0)


def _bands_of(told: Told, scores: Sequence[Pair]) -> list[str]:
    """Published scores that stand at a tick with another band than their account had then."""
    wrong = []
    for _, value in scores:
        score = msgspec.json.decode(value) if value else {}
        tick = told.get((score.get("as_of", ""), score.get("account_id", "")))
        if tick and "ended" not in {tick.band, score["band"]} and score["band"] != tick.band:
            wrong.append(f"score of {tick.account_id} at {tick.as_of}: {score['band']}, not {tick.band}")
    return wrong


def _alerts_differ(wanted: Sequence[Alert], got: Sequence[Alert]) -> list[str]:
    def keyed(alerts: Sequence[Alert]) -> dict[AlertKey, set[int]]:
        out: dict[AlertKey, set[int]] = {}
        for a in alerts:
            out.setdefault((a.id, a.phase, a.revision), set()).add(a.at)
        return out

    return [f"alerts: {d}" for d in differences({str(k): sorted(v) for k, v in keyed(wanted).items()},
                                                {str(k): sorted(v) for k, v in keyed(got).items()})]  # fmt: skip


async def _live_through(world: World, context: Context, last: int, flush: type[Flush]) -> None:
    def join() -> Worker:
        return Worker(world, context, last, flush)

    members = [join()]
    for _ in range(STEPS):
        worker = world.random.choice(members)
        await _do(world, worker)
        chance = 0.03 if worker.flushing else 0.01
        if worker.dead or (worker is members[-1] and world.random.random() < chance):
            world.seen["stopped itself" if worker.dead else "crash"] += 1
            await worker.crash()
            members.remove(worker)
        if not members:
            members.append(join())
        elif world.random.random() < 0.015:  # the others are zombies now, and do not know it
            world.seen["taken over"] += 1
            members.append(join())
    final = members[-1]
    if final.dead or final.epoch < world.epoch:
        final = join()
    await final.finish()
    for zombie in members[:-1]:
        zombie.start_flush()
        await zombie.wait()
    if final.dead:
        await join().finish()


async def _do(world: World, worker: Worker) -> None:
    action = world.random.choice(("feed", "feed", "advance", "advance", "flush", "scores", "wait", "break"))
    if action == "feed":
        worker.feed()
    elif action == "advance":
        worker.advance()
    elif action in ("flush", "scores"):
        worker.start_flush(scores_only=action == "scores")
    elif action == "break":
        worker.writer.breaks = world.random.random() < 0.2
    await world.wait()
