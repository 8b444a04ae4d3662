"""What an account lived through before a run: 120 ordinary days, about 70 events, told so that one account in fifty has an alert.

A past drawn from the mix of the load would leave invoices open and champions unheard for months: half of all accounts would fire.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Final

from scoring.events import SOURCES
from scoring.times import DAY, HOUR, iso

DAYS: Final = 120
_TROUBLED: Final = 50
"""One in so many accounts does not pay its last invoice."""

Happening = tuple[int, int, dict[str, object]]
"""Time (ms), source, and what the event says beside its id, account and time."""


def past(account: str, number: int, end_ms: int) -> list[tuple[int, int, bytes]]:
    """The events of an account before `end_ms`, in time order: (time, source, JSON)."""
    random = Random(number)
    start = end_ms - DAYS * DAY
    seats = 10 + number % 50
    events = [
        *_contract(number, seats, start),
        *_usage(random, seats, start),
        *_invoices(number, start),
        *_people(random, start),
        *_tickets(random, start),
    ]
    events.sort(key=lambda event: event[0])
    return [
        (at, source, json.dumps({**body, "event_id": f"past-{i}", "account_id": account, "ts": iso(at)}).encode())
        for i, (at, source, body) in enumerate(events)
    ]  # fmt: skip


def _source(name: str) -> int:
    return SOURCES.index(name)


def _contract(number: int, seats: int, start: int) -> Iterator[Happening]:
    known = {"seats": seats, "mrr": 400 + number % 250 * 20, "currency": "USD", "plan": "team"}
    yield start, _source("accounts"), {"type": "account", "action": "created", **known}
    yield start + 60 * DAY, _source("accounts"), {"type": "account", "action": "updated", **known}
    engagement = _source("engagement")
    yield start + 6 * DAY, engagement, {"type": "milestone", "kind": "first_value"}
    yield start + 9 * DAY, engagement, {"type": "milestone", "kind": "onboarding_done"}
    yield start + 20 * DAY, engagement, {"type": "milestone", "kind": "goal_progress", "value": 100}


def _usage(random: Random, seats: int, start: int) -> Iterator[Happening]:
    """Every third day, sometimes with an error."""
    for day in range(0, DAYS, 3):
        at = start + day * DAY + random.randrange(8 * HOUR, 18 * HOUR)
        body: dict[str, object] = {
            "type": "usage", "quantity": random.randrange(5, 9), "feature": f"feature-{random.randrange(12)}",
            "user_id": f"u{random.randrange(seats)}", "active_users": seats * 3 // 4, "value_event": True,
        }  # fmt: skip
        yield at, _source("usage"), body | ({"errors": 1} if random.random() < 0.05 else {})


def _invoices(number: int, start: int) -> Iterator[Happening]:
    """Every 30 days, paid before it is due."""
    for month in range(DAYS // 30):
        issued = start + month * 30 * DAY + HOUR
        body = {"type": "invoice", "invoice_id": f"past-{month}", "amount": 99.5, "currency": "USD"}
        yield issued, _source("invoices"), body | {"action": "issued", "due_at": iso(issued + 14 * DAY)}
        if number % _TROUBLED or month != 2:
            yield issued + 9 * DAY, _source("invoices"), body | {"action": "paid"}


def _people(random: Random, start: int) -> Iterator[Happening]:
    """A meeting every two weeks, something read in between, an answer to a survey every two months."""
    engagement = _source("engagement")
    for week in range(0, DAYS // 7, 2):
        at = start + week * 7 * DAY + random.randrange(9 * HOUR, 17 * HOUR)
        who = ("champion", "executive", "user")[week // 2 % 3]
        yield at, engagement, {"type": "engagement", "channel": "meeting", "contact_id": who, "role": who}
        yield at + 3 * DAY, engagement, {"type": "engagement", "channel": "knowledge_base"}
    for month in (1, 3):
        at = start + month * 30 * DAY
        yield (
            at,
            _source("surveys"),
            {"type": "survey", "kind": "nps", "score": 8, "respondent_id": "champion"},
        )


def _tickets(random: Random, start: int) -> Iterator[Happening]:
    """Four, each closed within two days."""
    for i in range(4):
        at = start + random.randrange(i * 30, i * 30 + 28) * DAY + 10 * HOUR
        body: dict[str, object] = {"type": "ticket", "ticket_id": f"past-{i}"}
        yield at, _source("tickets"), body | {"action": "opened", "priority": "normal"}
        yield at + random.randrange(2 * HOUR, 2 * DAY), _source("tickets"), body | {"action": "closed"}
