"""A believable fleet: the events of a few hundred accounts over half a year, the same for the same seed.

Each account has its own generator of random numbers, so that leaving a story out changes no other account.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from scoring.times import DAY, HOUR, iso
from streams.demo.stories import STORIES, Story

_encode: Final = msgspec.json.Encoder().encode
_FEATURES: Final = (
    "dashboards", "reports", "exports", "alerts", "integrations", "api",
    "search", "sharing", "automation", "audit_log", "forecasts", "mobile",
)  # fmt: skip
_WEEKDAY: Final = (1.0, 1.05, 1.05, 1.0, 0.85, 0.18, 0.12)
"""Share of the users who come, Monday to Sunday."""
_FIRST: Final = (
    "Amber", "Birch", "Cobalt", "Delta", "Ember", "Fjord", "Granite", "Harbor", "Indigo", "Jasper",
    "Kestrel", "Lumen", "Meadow", "North", "Opal", "Pioneer", "Quartz", "River", "Summit", "Timber",
)  # fmt: skip
_SECOND: Final = (
    "Works", "Labs", "Foods", "Logistics", "Health", "Media", "Systems", "Energy",
    "Retail", "Partners", "Bank", "Studios", "Motors", "Insurance", "Travel",
)  # fmt: skip
_OWNERS: Final = ("Ana Ruiz", "Ben Okafor", "Chloe Martin", "Dev Patel", "Eva Lindqvist", "Femi Ade")
_PRIORITIES: Final = ("low", "normal", "normal", "normal", "high", "high", "urgent")
_TOPICS: Final = ("how to", "export", "login", "billing", "integration", "performance")
_RESOLUTION_H: Final = {"low": 60, "normal": 26, "high": 9, "urgent": 3}
_STRAINED: Final = 0.6
"""Below this health an account writes to support much more, and gets worse answers."""
NEW_SHARE: Final = 0.12
"""Share of the accounts that sign up while the fleet is watched."""


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

    def story(self, index: int) -> Story | None:
        """The story planted in account `index`."""
        story = STORIES[index] if index < len(STORIES) else None
        return None if story is None or story.name in self.without else story


@dataclass(frozen=True)
class Profile:
    """What kind of account it is."""

    account_id: str
    name: str
    tier: str
    segment: str
    seats: int
    users: int
    mrr: float
    health: float
    """0.3 (so-so) to 1 (excellent): how many users come, how they answer, how they pay."""
    begins: int
    signed_up: bool


def account_id(index: int) -> str:
    """The id of account `index`."""
    return f"acct-{index + 1:04d}"


def profile(fleet: Fleet, index: int, rng: random.Random) -> Profile:
    """The profile of account `index`; what a story needs is the same with and without it."""
    planted = STORIES[index] if index < len(STORIES) else None
    tier = rng.choices(("high_touch", "low_touch", "tech_touch"), (2, 4, 4))[0]
    users = min(
        max(int(rng.lognormvariate({"high_touch": 2.2, "low_touch": 1.7, "tech_touch": 1.2}[tier], 0.35)), 2),
        16,
    )
    health = 0.95 if planted else rng.choice((0.3, 0.42, 0.55, 0.7, 0.8, 0.88, 0.95, 1.0))
    new = planted is None and rng.random() < NEW_SHARE
    begins = (
        fleet.start
        + (int(rng.random() * fleet.days * 0.8) * DAY if new else 0)
        + int(rng.uniform(0.2, 6) * HOUR)
    )
    name = f"{_FIRST[index % len(_FIRST)]} {_SECOND[index // len(_FIRST) % len(_SECOND)]}"
    if planted:
        name, tier, users = planted.account_name, planted.tier, 8
    seats = max(users + 1, round(users * rng.uniform(1.05, 1.5)))
    mrr = float(round(seats * rng.uniform(60, 130), -1)) + 90
    segment = {"high_touch": "enterprise", "low_touch": "mid-market", "tech_touch": "small business"}[tier]
    return Profile(account_id(index), name, tier, segment, seats, users, mrr, health, begins, new)


def generate(fleet: Fleet) -> list[tuple[int, bytes]]:
    """All events as (time, JSON line) in time order."""
    out: list[tuple[int, bytes]] = []
    for index in range(fleet.accounts):
        out += _History(fleet, index).events()
    out.sort(key=lambda event: event[0])
    return out


class _History:
    """Writes the events of one account."""

    def __init__(self, fleet: Fleet, index: int) -> None:
        self.fleet = fleet
        self.rng = random.Random(f"{fleet.seed}/{index}")  # noqa: S311 - reproducible, nothing secret
        self.profile = profile(fleet, index, self.rng)
        self.story = fleet.story(index)
        self.index = index
        self.count = 0
        self.out: list[tuple[int, bytes]] = []

    def events(self) -> list[tuple[int, bytes]]:
        self.attributes()
        first = self.profile.begins // DAY
        for day in range(first, self.fleet.end // DAY + 1):
            self.usage(day, day - first)
        self.support()
        self.invoices()
        self.surveys()
        if self.story is not None:
            for step in self.story.steps:
                self.emit(self.fleet.end - step.before_end, **step.fields)
        return self.out

    def emit(self, ts: int, **fields: Any) -> None:  # noqa: ANN401 - event fields
        """One event, unless its time lies outside the fleet's."""
        if self.profile.begins <= ts <= self.fleet.end:
            self.count += 1
            event = {
                "event_id": f"{self.index + 1}-{self.count}",
                "account_id": self.profile.account_id,
                "ts": iso(ts),
            }
            self.out.append((ts, _encode(event | fields)))

    def attributes(self) -> None:
        """Who the account is, and a nightly look of the CRM every now and then."""
        p, rng = self.profile, self.rng
        known = {
            "tier": p.tier, "segment": p.segment, "plan": "team", "mrr": p.mrr, "currency": "USD",
            "seats": p.seats, "owner": rng.choice(_OWNERS), "name": p.name, "auto_renew": True,
            "notice_days": 60, "renewal_date": iso(self.fleet.end + rng.randrange(20, 340) * DAY)[:10],
        }  # fmt: skip
        action = "signup" if p.signed_up else "created"
        self.emit(p.begins, type="account", action=action, **known)
        for day in range(rng.randrange(1, 30), self.fleet.days + 1, 30):
            at = p.begins // DAY * DAY + day * DAY + rng.randrange(22 * HOUR)
            self.emit(at, type="account", action="updated", owner=known["owner"], lifecycle="active")

    def level(self, day: int) -> float:
        """Usage of a day as a multiple of normal: the story's curve."""
        story = self.story
        if story is None or not story.turn_before:
            return 1.0
        since = story.turn_before - (self.fleet.end // DAY - day)
        return 1.0 + (story.usage_after - 1.0) * min(max(since / story.turn_days, 0.0), 1.0)

    def usage(self, day: int, age: int) -> None:
        """A day's work: who comes, what they use, and an error now and then."""
        p, rng = self.profile, self.rng
        weekday = (day + 3) % 7
        drawn = [(rng.random(), rng.random(), rng.random()) for _ in range(2 * p.users)]
        share = p.health * _WEEKDAY[weekday] * self.level(day) * 0.85
        for user, (come, hour, what) in enumerate(drawn):
            if user >= p.users * max(1.0, self.level(day)) or come >= share:
                continue
            breadth = len(_FEATURES) if p.health > 0.75 else 3
            feature = _FEATURES[int(what * what * breadth)]
            more: dict[str, Any] = (
                {"counts": {_FEATURES[(user + day) % breadth]: 1 + int(hour * 5)}} if what > 0.6 else {}
            )
            if age <= 20:
                more["value_event"] = what > 0.3
            if what > 0.985:
                more["errors"] = 1
            at = day * DAY + 7 * HOUR + int(hour * 11 * HOUR)
            quantity = 5 + int(what * 40)
            self.emit(at, type="usage", user_id=f"u{user + 1}", feature=feature, quantity=quantity, **more)

    def support(self) -> None:
        """Questions at a healthy rate, answered by priority; some are opened again."""
        p, rng = self.profile, self.rng
        if self.story is not None and self.story.quiet_support:
            return
        at, number = p.begins + int(rng.uniform(3, 25) * DAY), 0
        while at < self.fleet.end - DAY:
            number += 1
            ticket = f"T-{self.index + 1}-{number}"
            priority = rng.choice(_PRIORITIES)
            self.emit(
                at,
                type="ticket",
                action="opened",
                ticket_id=ticket,
                priority=priority,
                topic=rng.choice(_TOPICS),
            )
            hours = _RESOLUTION_H[priority] * rng.uniform(0.4, 1.6)
            closed = at + int(hours * HOUR)
            self.emit(
                closed, type="ticket", action="closed", ticket_id=ticket, resolution_hours=round(hours, 1)
            )
            if rng.random() < (0.06 if p.health > _STRAINED else 0.3):
                self.emit(closed + 5 * HOUR, type="ticket", action="reopened", ticket_id=ticket)
                self.emit(closed + 30 * HOUR, type="ticket", action="closed", ticket_id=ticket)
            at += int(
                rng.uniform(0.5, 1.5) * DAY * 90 / (1 + p.seats * (0.06 if p.health > _STRAINED else 0.25))
            )

    def invoices(self) -> None:
        """One a month, due in 30 days; most are paid in time, the less healthy ones late now and then."""
        p, rng = self.profile, self.rng
        offset = rng.randrange(1, 29)
        for number, day in enumerate(range(offset, self.fleet.days + 1, 30), 1):
            issued = p.begins // DAY * DAY + day * DAY + 9 * HOUR
            due, invoice = issued + 30 * DAY, f"INV-{self.index + 1}-{number}"
            paid = due + int(
                (rng.uniform(-22, -1) if rng.random() < p.health + 0.03 else rng.uniform(1.2, 6)) * DAY
            )
            self.emit(
                issued,
                type="invoice",
                action="issued",
                invoice_id=invoice,
                amount=p.mrr,
                currency="USD",
                due_at=iso(due),
            )
            if (
                self.story is None
                or issued < self.fleet.end - self.story.unpaid_days * DAY
                or not self.story.unpaid_days
            ):
                self.emit(
                    paid, type="invoice", action="paid", invoice_id=invoice, amount=p.mrr, currency="USD"
                )

    def surveys(self) -> None:
        """A quarterly NPS answer of each of two people, and CSAT after some contacts."""
        p, rng = self.profile, self.rng
        for who in ("champion", "admin"):
            for day in range(rng.randrange(8, 80), self.fleet.days + 1, 90):
                score = max(0, min(10, round(rng.gauss(10.2 * p.health - 0.2, 0.8))))
                at = p.begins + day * DAY + rng.randrange(10 * HOUR)
                self.emit(at, type="survey", kind="nps", score=score, respondent_id=who, respondent_role=who)
        for day in range(rng.randrange(10, 60), self.fleet.days + 1, 45):
            score = max(1, min(5, round(rng.gauss(5 * p.health, 0.5))))
            self.emit(
                p.begins + day * DAY + 11 * HOUR,
                type="survey",
                kind="csat",
                score=score,
                respondent_id=f"u{day % 5}",
            )


def lines(events: Sequence[tuple[int, bytes]]) -> Iterator[bytes]:
    """The events as a file's lines."""
    return (line + b"\n" for _, line in events)
