"""coverage_lost: evidence that the score once stood on is gone."""

from __future__ import annotations

import numpy as np

from alerts.model import Evidence
from alerts.rules.base import Level, Tick, Verdict
from scoring.layout import DIMENSIONS, MISSING
from scoring.rule_options import PercentRule
from scoring.times import Int64


class CoverageLost(Level[PercentRule]):
    """A score without its evidence is a guess: somebody should look at the source before anybody trusts the band.

    Practitioner number: below 70 % of the inputs a score is not to be shown (customer-success-skills, missing data);
    the default tells of the loss at the same point, whatever was never connected.
    """

    name = "coverage_lost"
    when = "dimensions worth `percent` of the weight had evidence once and have none now"
    shows = "which dimensions, what share of the weight"
    play = (
        "Check first whether the source still delivers; if it does, ask what became of the people behind it."
    )

    def verdict(self, tick: Tick) -> Verdict:
        """Unknown where no dimension is enabled."""
        weight = tick.evaluation.weight.sum(axis=0)
        lost = _lost(tick)
        some = np.asarray(lost.any(axis=0))
        if some.any():
            some &= 1000 * lost.sum(axis=0) >= 10 * self.options.percent * weight
        return Verdict(some & (weight > 0), np.asarray(weight > 0))

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """The dimensions that are gone."""
        lost = _lost(tick)[:, i].tolist()
        names = ", ".join(n.replace("_", " ") for n, w in zip(DIMENSIONS, lost, strict=True) if w)
        share = 100 * sum(lost) // int(tick.evaluation.weight[:, i].sum())
        return [Evidence(f"no evidence any more for {names}: {share} % of the weight")]


def _lost(tick: Tick) -> Int64:
    """(D, n): the weight of dimensions that are enabled, missing now, and were seen before."""
    e = tick.evaluation
    return np.where((e.sub == MISSING) & (tick.facts.hot["last_sub"].T != MISSING), e.weight, 0)
