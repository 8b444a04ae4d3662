"""ticket: questions at the pace of the seats, answered by priority; some are opened again; some are rated."""

from __future__ import annotations

import random
from typing import Final

from scoring.times import DAY, HOUR
from streams.demo.life.account import Life

_PRIORITIES: Final = ("low", "normal", "normal", "normal", "high", "high", "urgent")
_TOPICS: Final = ("how to", "export", "login", "billing", "integration", "performance")
_RESOLUTION_H: Final = {"low": 60, "normal": 26, "high": 9, "urgent": 3}
_STRAINED: Final = 0.6
"""Below this health an account writes much more, and gets worse answers."""
_RATED: Final = 0.4
_LEAST_GAP: Final = 0.7


def live(life: Life) -> None:
    """Tickets from the first weeks to the end."""
    profile, rng = life.profile, life.rng("tickets")
    if life.story is not None and life.story.quiet_support:
        return
    strained = profile.health < _STRAINED
    gap = 90 / (1 + profile.seats * (0.25 if strained else 0.07))
    at, number = profile.connected + int(rng.uniform(2, 20) * DAY), 0
    while at < life.end - DAY:
        number += 1
        _ticket(life, rng, at, f"T-{life.index + 1}-{number}", again=0.3 if strained else 0.06)
        at += int((_LEAST_GAP + rng.expovariate(1 / (1 - _LEAST_GAP))) * gap * DAY)


def _ticket(life: Life, rng: random.Random, at: int, ticket: str, *, again: float) -> None:
    priority = rng.choice(_PRIORITIES)
    told = {"type": "ticket", "ticket_id": ticket}
    life.emit(at, **told, action="opened", priority=priority, topic=rng.choice(_TOPICS))
    hours = _RESOLUTION_H[priority] * rng.uniform(0.4, 1.6)
    closed = at + int(hours * HOUR)
    life.emit(closed, **told, action="closed", resolution_hours=round(hours, 1))
    if rng.random() < again and priority != "urgent":
        life.emit(closed + 5 * HOUR, **told, action="reopened")
        life.emit(closed + 30 * HOUR, **told, action="closed")
    if rng.random() < again * again / 2:
        life.emit(at + HOUR, **told, action="updated", complaint=True)
    _rating(life, rng, closed + 31 * HOUR, ticket)


def _rating(life: Life, rng: random.Random, at: int, ticket: str) -> None:
    """An answer to a question after the ticket: mostly how satisfied, sometimes how easy."""
    health, who = life.profile.health, f"u{rng.randrange(min(life.profile.users, 3)) + 1}"
    satisfied = min(max(round(rng.gauss(1.2 + 3.7 * health, 0.55)), 1), 5)
    easy = min(max(round(rng.gauss(1.5 + 5.2 * health, 0.9)), 1), 7)
    about = {"type": "survey", "respondent_id": who, "ticket_id": ticket}
    match rng.random():
        case chance if chance < _RATED:
            life.emit(at, **about, kind="csat", score=satisfied)
        case chance if chance < _RATED + 0.1:
            life.emit(at, **about, kind="ces", score=easy)
