"""What milestones and overrides say (section 4)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.oracle.reading import Event, milli

REACHED = 100_000
"""A goal that is reached, in thousandths of a percent."""


@dataclass(frozen=True)
class Milestones:
    """The registers of an account; pairs are (time told, value); None = not known."""

    told: bool
    values: tuple[int, ...]
    """Times of first_value."""
    onboarded_ts: int | None
    onboarding_due: tuple[int, int] | None
    goal: tuple[int, int] | None
    goal_due: tuple[int, int] | None
    declined_ts: int | None
    strategy_ts: int | None


def milestones_of(events: Sequence[Event]) -> Milestones:
    """What all milestones of a term together say."""
    by_kind: dict[str, list[Event]] = {}
    for event in events:
        by_kind.setdefault(event.body["kind"], []).append(event)
    onboarding, goals = by_kind.get("onboarding_done", []), by_kind.get("goal_progress", [])
    done = [e.time for e in onboarding if e.body.get("value") is None or milli(e.body["value"]) == REACHED]
    progress = [(e.time, milli(e.body["value"])) for e in goals if e.body.get("value") is not None]
    return Milestones(
        told=bool(events),
        values=tuple(e.time for e in by_kind.get("first_value", [])),
        onboarded_ts=min(done, default=None),
        onboarding_due=_newest_due(onboarding),
        goal=max(progress, default=None),
        goal_due=_newest_due(goals),
        declined_ts=max((e.time for e in by_kind.get("feature_declined", [])), default=None),
        strategy_ts=max((e.time for e in by_kind.get("strategy_change", [])), default=None),
    )


def _newest_due(events: Sequence[Event]) -> tuple[int, int] | None:
    return max(((e.time, e.body["due_at"]) for e in events if e.body.get("due_at") is not None), default=None)


@dataclass(frozen=True, order=True)
class Override:
    """A judgement, in the order that decides which is the newest."""

    time: int
    canonical: str
    """JSON of value (thousandths), reason, author and the time it expires (ms)."""

    def shown(self, as_of: int) -> dict[str, Any] | None:
        """What is to be seen beside the score: points, and ms when it expires."""
        value, reason, author, expires = json.loads(self.canonical)
        if value is None or expires <= as_of:
            return None
        return {"value": value / 1000, "reason": reason, "author": author, "expires_at": expires}

    def named(self) -> dict[str, Any]:
        value, reason, author, expires = json.loads(self.canonical)
        return {"ts": self.time, "value": value, "reason": reason, "author": author, "expires_at": expires}


def override_of(event: Event) -> Override:
    """The judgement in an override event."""
    body = event.body
    value = None if body.get("value") is None else milli(body["value"])
    four = [value, body["reason"], body["author"], body["expires_at"]]
    return Override(event.time, json.dumps(four, ensure_ascii=False))
