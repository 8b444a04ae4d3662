"""What a planted story is: what happens to one account, and which alerts have to tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scoring.times import DAY

Fields = dict[str, object]
"""Fields of an event besides `event_id`, `account_id` and `ts`."""
Tier = Literal["high_touch", "low_touch", "tech_touch"]


@dataclass(frozen=True)
class Step:
    """One event of a story, `before_end` milliseconds before the end of the fleet's time."""

    before_end: int
    fields: Fields


@dataclass(frozen=True)
class Story:
    """What is planted in one account. Days count back from the end of the fleet's time; 0: it never comes to it."""

    name: str
    title: str
    account_name: str
    tier: Tier
    rules: tuple[str, ...]
    """The alerts that have to fire, in the order they are told; empty: nothing may fire at all."""
    steps: tuple[Step, ...] = ()
    turn_before: int = 0
    """When usage begins to change."""
    turn_days: int = 1
    """How many days the change takes."""
    usage_after: float = 1.0
    """Usage after the change, as a multiple of the account's normal; above 1 more people come."""
    workdays: tuple[int, ...] = ()
    """The only weekdays (Monday 0) on which its people come; empty: any."""
    alone_before: int = 0
    """From when on its people no longer answer: whoever did has left."""
    unpaid_before: int = 0
    """Invoices issued from then on are not paid."""
    quiet_support: bool = False
    """Its people never write to support of their own accord."""
    renews_in: int = 0
    """Days from the end of time to its renewal; 0: as it comes."""

    def level(self, days_left: int) -> float:
        """Usage that many days before the end of time, as a multiple of normal."""
        if not self.turn_before:
            return 1.0
        done = min(max((self.turn_before - days_left) / self.turn_days, 0.0), 1.0)
        return 1.0 + (self.usage_after - 1.0) * done


@dataclass(frozen=True)
class Outage:
    """A feed that is dead for everybody: no account may be blamed for it. Days count back from the end of time."""

    name: str
    title: str
    feed: str
    before: int
    days: int

    def window(self, end: int) -> tuple[int, int]:
        """Begin and end in milliseconds: from a Saturday (UTC), as nobody notices until work begins."""
        day = end // DAY - self.before
        first = day + (2 - day) % 7  # day 2 of 1970 was a Saturday
        return first * DAY, (first + self.days) * DAY


def at(days: float, **fields: object) -> Step:
    """An event that many days before the end."""
    return Step(round(days * DAY), fields)


def survey(days: float, kind: str, score: int, who: str) -> Step:
    """An answer."""
    return at(days, type="survey", kind=kind, score=score, respondent_id=who, respondent_role=who)


def ticket(days: float, action: str, number: str, **fields: object) -> Step:
    """A step of a ticket."""
    return at(days, type="ticket", action=action, ticket_id=number, **fields)


def invoice(days: float, action: str, number: str, **fields: object) -> Step:
    """A step of an invoice."""
    return at(days, type="invoice", action=action, invoice_id=number, **fields)


def touch(days: float, channel: str, **fields: object) -> Step:
    """Somebody was in touch."""
    return at(days, type="engagement", channel=channel, **fields)
