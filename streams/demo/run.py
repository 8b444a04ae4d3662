"""One run of the demo: generate, start, feed, watch, judge."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from alerts.model import Phase
from alerts.render import Notification
from scoring.record import ScoreRecord
from scoring.times import DAY, iso, parse
from streams.demo.feed import produce
from streams.demo.fleet import Fleet, account_id, generate
from streams.demo.roles import Plan, Roles
from streams.demo.stories import STORIES, Story
from streams.demo.watch import Watch

SETTLE_S: Final = 90.0
DELIVERY_S: Final = 8.0


class DemoError(RuntimeError):
    """The demo cannot go on; the message says what a part of it said last."""


@dataclass(frozen=True)
class Told:
    """A planted story and the alert that told it, None if none did."""

    story: Story
    account_id: str
    alert: Notification | None

    @property
    def as_expected(self) -> bool:
        """Whether what had to fire fired, and nothing did where nothing had to."""
        return (self.alert is not None) == (self.story.rule is not None)


@dataclass(frozen=True)
class Outcome:
    """What a run showed. Seconds of real time."""

    events: int
    feed_s: float
    total_s: float
    scores: dict[str, ScoreRecord]
    alerts: list[Notification]
    delivered: bool
    told: list[Told]

    @property
    def ok(self) -> bool:
        """Whether every story came out as expected."""
        return all(told.as_expected for told in self.told)


@dataclass(frozen=True)
class Screen:
    """Where a run says what happens."""

    note: Callable[[str], None]
    alert: Callable[[Notification], None]
    progress: Callable[[str], None]


async def run(fleet: Fleet, plan: Plan, screen: Screen, *, seconds: float) -> Outcome:
    """Feed the fleet over about `seconds` and wait until everything is scored.

    Raises ServerUnavailableError if a part does not come up, DemoError if one ends or nothing comes out.
    """
    began = time.monotonic()
    screen.note(
        f"starting {'Apache Kafka' if plan.real_kafka else 'the embedded broker'}, worker and notifier"
    )
    generating = asyncio.create_task(asyncio.to_thread(generate, fleet))
    async with Roles(plan) as roles:
        events = await generating
        screen.note(
            f"{len(events):,} events of {fleet.accounts} accounts, {fleet.days} days in about {seconds:.0f} s"
        )
        watch = Watch(roles.settings, roles.notifications, screen.alert)
        watching = asyncio.create_task(watch.run())
        try:
            fed = time.monotonic()
            feed = produce(
                roles.settings, events, seconds=seconds, on_day=lambda at: screen.progress(iso(at)[:10])
            )
            await _guarded(feed, roles, watching)
            await _guarded(_settled(watch, fleet), roles, watching)
            fed_s = time.monotonic() - fed
            await watch.all_shown(DELIVERY_S)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        shown = sorted(watch.shown.values(), key=lambda told: (told.at, told.account_id))
        return Outcome(
            len(events), fed_s, time.monotonic() - began, watch.scores(), shown,
            roles.notifications is not None, judge(fleet, shown),
        )  # fmt: skip


def judge(fleet: Fleet, alerts: list[Notification]) -> list[Told]:
    """Each planted story with the alert that told it."""
    out = []
    for index, story in enumerate(STORIES[: fleet.accounts]):
        if story.name in fleet.without:
            continue
        rules = (story.rule,) if story.rule else ("band_entered", "complaint")
        who = account_id(index)
        of = (a for a in alerts if a.account_id == who and a.phase == Phase.FIRING and a.rule in rules)
        out.append(Told(story, who, next(of, None)))
    return out


async def _guarded(work: Coroutine[Any, Any, None], roles: Roles, watching: asyncio.Task[None]) -> None:
    """Await the work, and stop as soon as a role or the watching ends."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await asyncio.wait([task, watching], timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                await watching
            if fault := roles.fault():
                raise DemoError(fault)
        await task
    finally:
        task.cancel()


async def _settled(watch: Watch, fleet: Fleet) -> None:
    """Until every account was published on the last day."""
    last_day = fleet.end // DAY * DAY
    deadline = time.monotonic() + SETTLE_S
    while True:
        scores = watch.scores()
        behind = fleet.accounts - sum(parse(record.as_of) >= last_day for record in scores.values())
        if not behind:
            return
        if time.monotonic() > deadline:
            raise DemoError(
                f"{behind} of {fleet.accounts} accounts were not scored up to the end within {SETTLE_S:.0f} s"
            )
        await asyncio.sleep(0.3)
