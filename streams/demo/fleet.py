"""A believable fleet: the events of a few hundred accounts over half a year, the same for the same seed.

Each aspect of each account has random numbers of its own, so that a story changes nothing but what it is about.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from scoring.times import DAY, HOUR
from streams.demo.life import attributes, contacts, invoices, milestones, tickets, usage
from streams.demo.life.account import Life, Profile, Sent
from streams.demo.stories import OUTAGE, STORIES
from streams.demo.story import Outage, Story, Tier

_LIFE: Final = (attributes, milestones, usage, tickets, invoices, contacts)
_FIRST: Final = (
    "Amber", "Birch", "Cobalt", "Delta", "Ember", "Fjord", "Granite", "Harbor", "Indigo", "Jasper",
    "Kestrel", "Lumen", "Meadow", "North", "Opal", "Pioneer", "Quartz", "River", "Summit", "Timber",
)  # fmt: skip
_SECOND: Final = (
    "Works", "Labs", "Foods", "Logistics", "Health", "Media", "Systems", "Energy",
    "Retail", "Partners", "Bank", "Studios", "Motors", "Insurance", "Travel",
)  # fmt: skip
_TIERS: Final[dict[Tier, tuple[str, float, tuple[float, float]]]] = {
    "high_touch": ("enterprise", 2.3, (95, 160)),
    "low_touch": ("mid-market", 1.7, (60, 110)),
    "tech_touch": ("small business", 1.2, (35, 70)),
}
"""Segment, logarithm of the users to expect, and the price of a seat from and to."""
_HEALTH: Final = (0.8, 0.84, 0.88, 0.9, 0.92, 0.94, 0.96, 0.98, 1.0)
_SO_SO: Final = (0.52, 0.58, 0.64)
_STRAINED: Final = (0.3, 0.36, 0.42)
_WELL: Final = 0.75
"""Below this health an account uses few of its seats."""
NEW_SHARE: Final = 0.1
"""Share of the accounts that sign up while the fleet is watched."""
ALONE_DAYS: Final = 24
"""The product's own events come first; so much later the other systems are connected."""


@dataclass(frozen=True)
class Fleet:
    """What to generate. Times in milliseconds; `without` names stories that are left out."""

    end: int
    seed: int = 7
    accounts: int = 300
    days: int = 180
    without: frozenset[str] = frozenset()

    @property
    def start(self) -> int:
        """Where the fleet's time begins: a midnight."""
        return self.end // DAY * DAY - self.days * DAY

    @property
    def outage(self) -> Outage | None:
        """The outage, unless it is left out."""
        return None if OUTAGE.name in self.without else OUTAGE

    def story(self, index: int) -> Story | None:
        """The story planted in account `index`."""
        story = STORIES[index] if index < len(STORIES) else None
        return None if story is None or story.name in self.without else story


def account_id(index: int) -> str:
    """The id of account `index`."""
    return f"acct-{index + 1:04d}"


def profile(fleet: Fleet, index: int) -> Profile:
    """The profile of account `index`; that of a story's account is the same without the story."""
    rng = random.Random(f"{fleet.seed}/{index}/profile")  # noqa: S311 - reproducible, nothing secret
    planted = STORIES[index] if index < len(STORIES) else None
    tier: Tier = rng.choices(tuple(_TIERS), (2, 4, 4))[0] if planted is None else planted.tier
    segment, expected, price = _TIERS[tier]
    users = 8 if planted else min(max(int(rng.lognormvariate(expected, 0.35)), 3), 18)
    new = planted is None and rng.random() < NEW_SHARE
    begins = fleet.start + int(rng.uniform(0.2, 6) * HOUR)
    connected = begins + ALONE_DAYS * DAY
    created = begins - rng.randrange(150, 1500) * DAY
    if new:
        begins = created = connected = connected + int(rng.uniform(0, 0.8) * (fleet.days - ALONE_DAYS)) * DAY
    health = 0.95 if planted else _health(rng)
    seats = (
        14
        if planted
        else max(users + 2, round(users * rng.uniform(*((1.3, 2.0) if health > _WELL else (2.2, 3.2)))))
    )
    renewal = connected // DAY * DAY + (365 if new else rng.randrange(10, 365)) * DAY
    if planted:
        renewal = fleet.end // DAY * DAY + (planted.renews_in or 250) * DAY
    name = f"{_FIRST[index % len(_FIRST)]} {_SECOND[index // len(_FIRST) % len(_SECOND)]}"
    return Profile(
        account_id=account_id(index),
        name=planted.account_name if planted else name,
        tier=tier,
        segment=segment,
        seats=seats,
        users=users,
        mrr=float(round(seats * rng.uniform(*price), -1)) + 90,
        health=health,
        begins=begins,
        connected=connected,
        created=created,
        renewal=renewal,
    )


def _health(rng: random.Random) -> float:
    share = rng.random()
    return rng.choice(_HEALTH if share < 0.86 else _SO_SO if share < 0.95 else _STRAINED)


def generate(fleet: Fleet) -> list[Sent]:
    """All events in the order they are sent."""
    out: list[Sent] = []
    for index in range(fleet.accounts):
        life = Life(
            fleet.seed, index, fleet.end, profile(fleet, index),
            index < len(STORIES), fleet.story(index), fleet.outage, [],
        )  # fmt: skip
        for aspect in _LIFE:
            aspect.live(life)
        for step in () if life.story is None else life.story.steps:
            life.emit(fleet.end - step.before_end, **step.fields)
        out += life.sent
    out.sort(key=lambda event: event.at)
    return out


def lines(events: Sequence[Sent]) -> Iterator[bytes]:
    """The events as a file's lines."""
    return (event.line + b"\n" for event in events)
