"""usage: who comes on which day, what they use, and an error now and then."""

from __future__ import annotations

from typing import Any, Final

from scoring.times import DAY, HOUR
from streams.demo.life.account import WEEKDAYS, Life

FEATURES: Final = (
    "dashboards", "reports", "exports", "alerts", "integrations", "api",
    "search", "sharing", "automation", "audit_log", "forecasts", "mobile",
)  # fmt: skip
_HABITS: Final = (0.62, 0.94, 0.36, 0.8, 0.16, 0.62, 0.5)
"""How often people come on a working day."""
_FRIDAY: Final = 0.93
_WEEKEND: Final = 0.002
_SHIFTS: Final = 0.12
"""Share of the accounts that work at weekends, too."""
_HOLIDAY: Final = 0.01
"""Chance of a person that a holiday of one or two weeks begins, on any day."""
_TRIES: Final = 14
_FADES: Final = 0.5
"""Below this health people come less and less."""
_LITTLE: Final = 0.7
"""Below this health people use little of it."""


def live(life: Life) -> None:
    """Every day from the first use to the end of the fleet's time."""
    rng = life.rng("usage")
    weekend = 0.5 if rng.random() < _SHIFTS and not life.planted else _WEEKEND
    turn = life.end - int(rng.uniform(40, 150) * DAY)
    most = 1.0 if life.story is None else max(life.story.usage_after, 1.0)
    people = [_Person(life, number, weekend) for number in range(int(life.profile.users * most))]
    for day in range(life.profile.begins // DAY, life.end // DAY + 1):
        level = 1.0 if life.story is None else life.story.level(life.end // DAY - day)
        fade = 1.0
        if life.profile.health < _FADES and day * DAY > turn:
            fade = max(0.25, 1 - (day * DAY - turn) / (80 * DAY))
        for number, person in enumerate(people):
            person.day(day, level * fade if number else level)


def _job(health: float, *, shifts: bool) -> tuple[float, ...]:
    """The first user of each account is a scheduled job that never fails: daily, or thrice a week if little is done."""
    if health < _LITTLE:
        return (1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0)
    return (1.0,) * WEEKDAYS + (float(shifts),) * 2


class _Person:
    """One user, with habits of their own."""

    def __init__(self, life: Life, number: int, weekend: float) -> None:
        self._life = life
        self._draw = life.rng(f"usage/{number}").random
        self._number = number
        health = life.profile.health
        usual = _HABITS[number % len(_HABITS)] * min(1.0, 0.25 + health * 0.8)
        week: tuple[float, ...] = (usual,) * 4 + (usual * _FRIDAY,) + (usual * weekend,) * 2
        if not number:
            week = _job(health, shifts=weekend > _WEEKEND)
        if life.story is not None and life.story.workdays:  # all at once, and never else
            week = tuple(float(day in life.story.workdays) for day in range(7))
        self._chance = week
        self._breadth = len(FEATURES) if health > _LITTLE else 4
        self._values = life.profile.connected // DAY + (_TRIES if life.profile.is_new else 0)
        self._back = 0

    def day(self, day: int, level: float) -> None:
        """Come, or not. The same numbers are drawn either way, so that a story changes only what it is about."""
        come, hour, what, away = self._draw(), self._draw(), self._draw(), self._draw()
        if away < _HOLIDAY and self._number and day >= self._back:
            self._back = day + 7 * (1 + (away < _HOLIDAY / 2))
        here = self._number < self._life.profile.users * max(1.0, level) and day >= self._back
        if here and come < self._chance[(day + 3) % 7] * min(level, 1.0):
            self._use(day, hour, what)

    def _use(self, day: int, hour: float, what: float) -> None:
        feature = FEATURES[int(what * what * self._breadth)]
        more: dict[str, Any] = {}
        if what > 0.6:
            also = FEATURES[(self._number + day) % self._breadth]
            more["counts"] = {also: 1 + int(hour * 5)}
        if (what > 0.75 or not self._number) and day >= self._values:
            more["value_event"] = True
        if what > 0.985:
            more["errors"] = 1
        at = day * DAY + 7 * HOUR + int(hour * 11 * HOUR)
        user, quantity = f"u{self._number + 1}", 5 + int(what * 40)
        self._life.emit(at, type="usage", user_id=user, feature=feature, quantity=quantity, **more)
