"""rapid_drop: the score falls fast, even inside a good band."""

from __future__ import annotations

import numpy as np

from alerts.model import Evidence
from alerts.rules.base import Level, Tick, Verdict
from scoring.bands import velocities
from scoring.rule_options import RapidDrop as Options


class RapidDrop(Level[Options]):
    """Points lost in a week or in four; keeps firing until half of each is made good.

    A fall inside green warns earlier than any band. Practitioner defaults: -10 in a week, -15 in 30 days.
    """

    name = "rapid_drop"
    when = "the score fell by `week_points` in 7 days or by `month_points` in 28"
    shows = "the change in 7 and in 28 days"
    play = "Look at what moved in the last days before the band does; ask the customer what changed."

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._limits = {7: 100 * options.week_points, 28: 100 * options.month_points}
        self._min_age = options.min_age_days

    def verdict(self, tick: Tick) -> Verdict:
        """Unknown while there is no band, or no score of 7 or 28 days ago, or that was one of onboarding."""
        holds, keeps, known = tick.all(False), tick.all(False), tick.all(False)
        for days, limit in self._limits.items():
            change, can_tell = velocities(tick.store, tick.rows, tick.facts.now, tick.evaluation.score, days)
            can_tell &= tick.facts.age_days >= self._min_age + days
            known |= can_tell
            fell = can_tell & (change <= -limit // 2)
            if fell.any():
                keeps |= fell
                holds |= fell & (change <= -limit)
        known &= tick.band != 0
        return Verdict(holds & known, known, keeps & known)

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """How far it fell, in 7 and in 28 days."""
        one = np.array([i])
        said = []
        for days in self._limits:
            change, known = velocities(
                tick.store, tick.rows[one], tick.facts.now, tick.evaluation.score[one], days
            )
            if known[0]:
                said.append(f"{int(change[0]) / 100:+.1f} points in {days} days")
        return [Evidence(", ".join(said))]
