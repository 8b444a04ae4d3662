"""falling_sentiment: the answers get worse."""

from __future__ import annotations

from typing import Any

import numpy as np

from alerts.model import Evidence
from alerts.rules.base import Level, Mask, Tick, Verdict, newest
from scoring.layout import SURVEY_KINDS
from scoring.rule_options import FallingSentiment as Options
from scoring.times import DAY


class FallingSentiment(Level[Options]):
    """Unhappy feedback is one of three signs of risk (The Ten Laws, law 8), by its trend as well as by its level.

    Practitioner numbers: an answer older than 90 days tells nothing, and three answers are the least to go by
    (customer-success-skills, signal library). Here four, two against two; 15 points are our own choice.
    """

    name = "falling_sentiment"
    when = "the newer half of the NPS, CSAT or CES answers lies `points` below the older half; until half of that"
    shows = "the kind of survey and how far its answers fell"
    play = (
        "Ask one who answered lower what changed since the last survey; bring the answer to the next review."
    )

    def verdict(self, tick: Tick) -> Verdict:
        """The trend of fewer than four answers is 0."""
        f, points = tick.facts, self.options.points
        trend = f.hot["survey_trend"]
        keeps = trend <= -500 * points
        if not keeps.any():
            return Verdict(tick.all(False))
        keeps &= self._fresh(f.hot, f.now)
        holds = keeps & (trend <= -1000 * points)
        return Verdict(np.asarray(holds.any(axis=1)), keeps=np.asarray(keeps.any(axis=1)))

    def _fresh(self, hot: Any, now: int) -> Mask:  # noqa: ANN401 - rows of HOT
        return np.asarray((hot["survey_n"] > 0) & (now - hot["survey_ts"] < self.options.days * DAY))

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """Each kind of survey that fell by at least half the points."""
        row = tick.facts.hot[i]
        fell = self._fresh(row, tick.facts.now) & (row["survey_trend"] <= -500 * self.options.points)
        return [
            Evidence(
                f"{kind}: the newer half of the answers lies {-int(row['survey_trend'][k]) / 1000:.1f} points "
                "(of 100) below the older half",
                newest(tick.tail(i), f"{kind} answer "),
            )
            for k, kind in enumerate(SURVEY_KINDS)
            if fell[k]
        ]
