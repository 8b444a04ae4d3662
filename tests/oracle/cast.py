"""Who takes part in a random history, and what may be said of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from tests.oracle.instants import DAY, EPOCH

Body = dict[str, Any]
"""Fields of an event; `time` (ms) stands for `ts`, `arrives` (ms) says when exactly it comes, if it matters."""

NATURAL_SOURCE = {
    "usage": 0, "ticket": 1, "invoice": 2, "survey": 3, "account": 4, "renewal": 4, "churn": 5,
    "engagement": 5, "milestone": 5, "override": 5, "cost": 5,
}  # fmt: skip
ODD_IDS = (
    "acme",
    "Ünï-çode ☃",
    "a b\tc",
    "0",
    "null",
    "漢字",
    "x" * 256,
    "a/b:c{}",
    "e\u0301",
    '"quoted"',
    "é",
)
FEATURES = tuple(f"feature-{n}" for n in range(90))
RENEWALS: tuple[Callable[[int], str], ...] = (
    lambda time: date_of(time + 3 * DAY),
    lambda time: date_of(time + 30 * DAY),
    lambda time: date_of(time + 70 * DAY) + "T09:00:00+02:00",
    lambda time: date_of(time - DAY),
    lambda _: "2026-02-30",
    lambda _: "2026-W20-1",
    lambda _: "soon",
)
"""What may be said about the next renewal; the last three are no dates."""
CHANNELS = (
    "email", "email", "email", "meeting", "call", "marketing", "community", "knowledge_base", "training",
)  # fmt: skip
MOST_STRAYED = 40
LETTERS = "abcdefghijkl"


@dataclass
class Cast:
    """Who takes part, and how eventful it gets; drawn once per history."""

    accounts: list[str]
    first: int
    last: int
    weights: dict[str, int]
    leaves: set[str]
    """Accounts that may end and return."""
    pools: dict[str, int]
    """How many different tickets, invoices, respondents, users and features each account has."""
    ids: list[str]
    strays: bool
    """Whether some engagement comes on other topics: only while an account has little of it."""
    touches: Counter[str] = field(default_factory=Counter)
    """Engagement events by account."""
    busy: list[str] = field(default_factory=list)
    """Accounts to which things happen at random; none: all."""
    serial: int = 0

    @classmethod
    def random(cls, random: Random, accounts: int, first: int, last: int) -> Cast:
        """Draw a cast; few or many entities, this or that kind of event in the majority."""
        names = random.sample(ODD_IDS, min(accounts, len(ODD_IDS)))
        kinds = (
            "usage", "ticket", "invoice", "survey", "account", "ending", "burst", "revision",
            "engagement", "milestone", "judgement",
        )  # fmt: skip
        weights = {kind: random.choice((1, 3, 10)) for kind in kinds} | {
            "ending": 1,
            "burst": random.choice((0, 0, 1)),
            "judgement": random.choice((0, 1, 3)),
        }
        pools = {
            "ticket": random.choice((1, 3, 12)),
            "invoice": random.choice((1, 3, 12)),
            "respondent": random.choice((1, 4, 60)),
            "user": random.choice((3, 30, 400)),
            "feature": random.choice((2, 10, 90)),
            "contact": random.choice((1, 3, 12)),
        }
        leaves = {n for n in names if random.random() < 0.4}
        return cls(names, first, last, weights, leaves, pools, [], random.random() < 0.4)

    def event(self, kind: str, account: str, time: int, /, **fields: Any) -> Body:
        """An event with an id of its own; fields that are None are left out."""
        self.serial += 1
        said = {name: value for name, value in fields.items() if value is not None}
        return {"type": kind, "event_id": f"e{self.serial}", "account_id": account, "time": time, **said}


def date_of(time: int) -> str:
    """The UTC date of a time."""
    return (EPOCH + timedelta(milliseconds=time)).date().isoformat()


def maybe(random: Random, chance: float, value: Any) -> Any:
    return value if random.random() < chance else None
