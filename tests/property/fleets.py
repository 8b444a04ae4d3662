"""Small believable fleets with every source: good accounts and bad ones, so that every band and most rules occur."""

from __future__ import annotations

from typing import Any

import numpy as np

from scoring.times import DAY, HOUR, iso
from tests.property.feeds import START, event

FEATURES = ("export", "search", "report", "api", "share")
TYPES = ("usage", "ticket", "invoice", "survey", "account", "engagement", "milestone")


def fleet(seed: int, accounts: int, days: int) -> list[dict[str, Any]]:
    """Events of accounts a00, a01, ... over so many days; how well they do is spread evenly from bad to good."""
    events: list[dict[str, Any]] = []
    for n in range(accounts):
        random = np.random.default_rng((seed, n))
        events += _Life(f"a{n:02d}", random, (n + 0.5) / accounts).events(days)
    return events


def newcomers(seed: int, accounts: int, since: int) -> list[dict[str, Any]]:
    """Events of accounts n00, n01, ... created on day `since` and told of for 20 days, from bad to good.

    Every other one tells how its onboarding goes by milestones alone, the others by value events of their usage alone.
    """
    events: list[dict[str, Any]] = []
    for n in range(accounts):
        random = np.random.default_rng((seed, 1, n))
        life = _Life(f"n{n:02d}", random, (n + 0.5) / accounts)
        events += life.by_milestones(since) if n % 2 == 0 else life.by_value(since)
    return events


class _Life:
    """One account; `quality` from 0 to 1 decides about everything."""

    def __init__(self, who: str, random: np.random.Generator, quality: float) -> None:
        self.who, self.random, self.quality = who, random, quality
        self.told: list[dict[str, Any]] = []

    def events(self, days: int) -> list[dict[str, Any]]:
        renewal = iso(START + int(self.random.integers(days, 2 * days + 60)) * DAY)[:10]
        self._tell("account", 0, action="created", seats=20, mrr=900, renewal_date=renewal, notice_days=30)
        for day in range(days):
            self._use(day)
            self._ask(day)
            self._talk(day)
            if day % 15 == 10:
                self._pay_and_answer(day)
        return self.told

    def by_milestones(self, since: int) -> list[dict[str, Any]]:
        """Planned for long ago, for later, or done."""
        self._tell("account", since, action="created", seats=20, mrr=900)
        for day in range(since, since + 20, 3):
            self._tell("usage", day, quantity=5)
            self._tell("ticket", day, action="opened", ticket_id=f"{self.who}-{day}")
        due = START + (since - 30 + int(60 * self.quality)) * DAY
        self._tell("milestone", since, kind="onboarding_done", value=50, due_at=iso(due))
        return self.told

    def by_value(self, since: int) -> list[dict[str, Any]]:
        """The first value comes late, soon, or not yet."""
        self._tell("account", since, action="created", seats=20, mrr=900)
        first = since + 24 - int(24 * self.quality)
        for day in range(since, since + 20):
            self._tell("usage", day, value_event=day >= first)
        self._tell("survey", since + 5, kind="csat", score=4)
        return self.told

    def _likely(self, share: float) -> bool:
        return bool(self.random.random() < share)

    def _tell(self, type_: str, day: int, /, **fields: Any) -> None:
        at = START + day * DAY + int(self.random.integers(1, 24)) * HOUR
        self.told.append(event(type_, at, self.who, n=len(self.told), **fields))

    def _use(self, day: int) -> None:
        good = self.quality
        if self._likely(0.2 + 0.7 * good) and not (good < 0.3 and day > 25):
            feature, user = (
                str(self.random.choice(FEATURES)),
                f"u{self.random.integers(0, 2 + int(22 * good))}",
            )
            self._tell(
                "usage", day, feature=feature, user_id=user, value_event=self._likely(good), quantity=5
            )

    def _ask(self, day: int) -> None:
        bad, name = 1 - self.quality, f"{self.who}-{day}"
        if self._likely(0.05 + 0.25 * bad):
            priority = "urgent" if self._likely(bad / 2) else "normal"
            self._tell(
                "ticket",
                day,
                action="opened",
                ticket_id=name,
                priority=priority,
                complaint=self._likely(bad / 3),
            )
            if self._likely(self.quality):
                self._tell("ticket", day + 1, action="closed", ticket_id=name)

    def _talk(self, day: int) -> None:
        good, who = self.quality, str(self.random.choice(["ana", "bo"]))
        role = {"ana": "executive", "bo": "user"}[who]
        if self._likely(0.1 + 0.3 * good):
            self._tell("engagement", day, channel="meeting", contact_id=who, role=role)
        if self._likely(0.3):
            self._tell(
                "engagement", day, channel="email", contact_id=who, departed=self._likely(0.2 * (1 - good))
            )
        if self._likely(good):
            channel = str(self.random.choice(["knowledge_base", "marketing", "community", "training"]))
            self._tell("engagement", day, channel=channel)

    def _pay_and_answer(self, day: int) -> None:
        good, name = self.quality, f"{self.who}-{day}"
        self._tell("invoice", day, action="issued", invoice_id=name, due_at=iso(START + (day + 5) * DAY))
        if self._likely(good):
            self._tell("invoice", day + 4, action="paid", invoice_id=name)
        else:
            self._tell("invoice", day + 5, action="payment_failed", invoice_id=name)
            self._tell("invoice", day + 6, action="payment_failed", invoice_id=name)
        for kind, best in (("nps", 10), ("csat", 5), ("ces", 7)):
            score = int(np.clip(round(best * good + self.random.normal()), 1, best))
            self._tell("survey", day, kind=kind, score=score, respondent_id=f"r{self.random.integers(0, 4)}")
        due = iso(START + 30 * DAY)
        self._tell(
            "milestone", day, kind="goal_progress", value=round(100 * good * day / 60, 1) % 100, due_at=due
        )
        if good < 0.25:
            told = (
                {"action": "updated", "auto_renew": self._likely(0.5)}
                if self._likely(0.5)
                else {"action": "churn_notice"}
            )
            self._tell("account", day, **told)
