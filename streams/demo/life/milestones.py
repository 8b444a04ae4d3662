"""milestone: onboarding of the new, goals of those with a CSM, and a declined feature now and then."""

from __future__ import annotations

import random
from typing import Final

from scoring.times import DAY, HOUR
from streams.demo.life.account import Life, office_hours, stamp, workday

_ONBOARDED: Final = {"high_touch": (20, 40), "low_touch": (12, 26), "tech_touch": (3, 11)}
"""Days from signing up to the end of onboarding, from and to."""
_GOAL_DAYS: Final = 90


def live(life: Life) -> None:
    """Onboarding, goals, refusals."""
    rng = life.rng("milestones")
    if life.profile.is_new:
        _onboarding(life, rng)
    else:
        life.emit(life.profile.connected, type="milestone", kind="onboarding_done")
    if life.profile.tier != "tech_touch":
        _goals(life, rng)
    if rng.random() < 0.012:
        day = life.end // DAY - rng.randrange(10, 90)
        life.emit(office_hours(rng, workday(day)), type="milestone", kind="feature_declined")


def _onboarding(life: Life, rng: random.Random) -> None:
    first = life.profile.connected // DAY
    low, high = _ONBOARDED[life.profile.tier]
    done = workday(first + rng.randrange(low, high + 1))
    due = stamp((first + high + 3) * DAY)
    life.emit(life.profile.connected + HOUR, type="milestone", kind="goal_progress", value=0, due_at=due)
    value = office_hours(rng, workday(first + rng.randrange(low // 4, low // 2 + 2)))
    life.emit(value, type="milestone", kind="first_value")
    life.emit(office_hours(rng, done), type="milestone", kind="onboarding_done", due_at=due)
    life.emit(office_hours(rng, done), type="milestone", kind="goal_progress", value=100)


def _goals(life: Life, rng: random.Random) -> None:
    """A goal a quarter, reached in steps before it is due."""
    start = life.profile.connected // DAY + rng.randrange(3, _GOAL_DAYS)
    if life.profile.is_new:
        start += 60
    for first in range(start, life.end // DAY + 1, _GOAL_DAYS):
        due = stamp((first + _GOAL_DAYS - 4) * DAY)
        for step in range(5):
            at = office_hours(rng, workday(first + step * 17 + rng.randrange(6)))
            goal = {"type": "milestone", "kind": "goal_progress", "value": step * 25}
            life.emit(at, **goal, **({"due_at": due} if not step else {}))
