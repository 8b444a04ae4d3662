"""One run of the demo: generate, start, feed, watch, judge."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from alerts.render import Notification
from scoring.model import default_model
from scoring.times import DAY, HOUR
from streams.demo.feed import produce
from streams.demo.fleet import Fleet, generate
from streams.demo.judge import OutageTold, Told, judge, judge_outage
from streams.demo.life.account import Sent
from streams.demo.picture import Picture
from streams.demo.roles import Plan, Roles
from streams.demo.watch import Watch, count

SETTLE_S: Final = 90.0
DELIVERY_S: Final = 8.0


class DemoError(RuntimeError):
    """The demo cannot go on; the message says what a part of it said last."""


@dataclass(frozen=True)
class Outcome:
    """What a run showed. Seconds of real time."""

    fleet: Fleet
    events: int
    feed_s: float
    total_s: float
    picture: Picture
    alerts: list[Notification]
    """What was delivered (or, without a notifier, published), in order of event time."""
    delivered: bool
    told: list[Told]
    outage: OutageTold | None

    @property
    def ok(self) -> bool:
        """Whether every story came out as expected."""
        return all(told.as_expected for told in self.told) and (
            self.outage is None or self.outage.as_expected
        )


class Screen(Protocol):
    """Where a run says what happens."""

    def note(self, text: str) -> None:
        """A line about the run itself."""
        ...

    def alert(self, told: Notification) -> None:
        """An alert was delivered."""
        ...

    def showing(self, picture: Picture) -> AbstractContextManager[None]:
        """While the fleet is fed."""
        ...

    async def refresh(self, picture: Picture) -> None:
        """Keep what is shown up to date, until cancelled."""
        ...


async def run(fleet: Fleet, plan: Plan, screen: Screen, *, seconds: float) -> Outcome:
    """Feed the fleet over about `seconds` and wait until everything is scored.

    Raises ServerUnavailableError if a part does not come up, DemoError if one ends or nothing comes out.
    """
    began = time.monotonic()
    broker = "Apache Kafka" if plan.real_kafka else "the embedded broker"
    screen.note(f"starting {broker}, worker and notifier")
    generating = asyncio.create_task(asyncio.to_thread(generate, fleet))
    async with Roles(plan) as roles:
        events = await generating
        told = f"{fleet.accounts} accounts, {fleet.days} days in about {seconds:.0f} s"
        screen.note(f"{len(events):,} events of {told}")
        dead = default_model().liveness_hours * HOUR
        picture = Picture(fleet.accounts, fleet.start, fleet.end, dead)
        watch = Watch(roles.settings, roles.notifications, picture, screen.alert)
        with screen.showing(picture):
            feed_s = await _watched(watch, roles, screen, fleet, picture, events, seconds)
        shown = sorted(watch.shown.values(), key=lambda told: (told.at, told.account_id))
        return Outcome(
            fleet, len(events), feed_s, time.monotonic() - began, picture, shown,
            roles.notifications is not None, judge(fleet, shown),
            judge_outage(fleet, events, shown, picture.outages),
        )  # fmt: skip


async def _watched(
    watch: Watch,
    roles: Roles,
    screen: Screen,
    fleet: Fleet,
    picture: Picture,
    events: list[Sent],
    seconds: float,
) -> float:
    """Feed and wait while watching; the seconds it took."""
    watching = [
        asyncio.create_task(work)
        for work in (watch.run(), count(roles.metrics, picture), screen.refresh(picture))
    ]
    try:
        fed = time.monotonic()
        feed = produce(
            roles.settings,
            events,
            seconds=seconds,
            on_sent=picture.take_sent,
            slowly=(0, 0) if fleet.outage is None else fleet.outage.window(fleet.end),
            behind=lambda: picture.lag,
        )
        await _guarded(feed, roles, watching)
        await _guarded(_settled(picture), roles, watching)
        took = time.monotonic() - fed
        await watch.all_shown(DELIVERY_S)
        return took
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)


async def _guarded(work: Coroutine[Any, Any, None], roles: Roles, watching: list[asyncio.Task[None]]) -> None:
    """Await the work, and stop as soon as a role or the watching ends."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await asyncio.wait([task, *watching], timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
            for watcher in watching:
                if watcher.done():
                    await watcher
            if fault := roles.fault():
                raise DemoError(fault)
        await task
    finally:
        task.cancel()


async def _settled(picture: Picture) -> None:
    """Until every account was published on the last day."""
    last_day = picture.end // DAY * DAY
    deadline = time.monotonic() + SETTLE_S
    while behind := picture.behind(last_day):
        if time.monotonic() > deadline:
            raise DemoError(
                f"{behind} of {picture.accounts} accounts were not scored up to the end within {SETTLE_S:.0f} s"
            )
        await asyncio.sleep(0.3)
