"""From facts to scores: signals into dimensions, dimensions into a score with its coverage.

Integers throughout (docs/semantics.md, 5-6).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import scoring.signals.contract_growth
import scoring.signals.goals
import scoring.signals.invoice_history
import scoring.signals.onboarding
import scoring.signals.product_usage
import scoring.signals.reach
import scoring.signals.relationships
import scoring.signals.sentiment
import scoring.signals.support  # noqa: F401 - importing them fills the registry
from scoring.facts import FEW, Facts
from scoring.layout import DIMENSIONS, MISSING, TIERS, D
from scoring.model import Model
from scoring.signals.registry import SIGNALS, SignalFunction, unusable
from scoring.times import Int64


class Evaluation(NamedTuple):
    """n accounts: per-dimension arrays are (D, n) in the order of DIMENSIONS, the others (n,)."""

    sub: Int64
    """Sub-score of each dimension, MISSING if not enabled or without evidence."""
    weight: Int64
    """Weight of each dimension, 0 where it is not enabled."""
    score: Int64
    coverage: Int64
    contribution: Int64
    """What each dimension adds to the score; sums to it exactly, 0 where it is missing."""
    tier: Int64
    values: Int64
    """Sub-score of each signal, (signals, n), in the order of the model."""
    signals: dict[str, Int64]
    """The same by name."""


class Scorer:
    """A model made ready: signals bound to their options, weights as arrays.

    Raises:
        ValueError: the model names signals or options that do not exist.
    """

    def __init__(self, model: Model) -> None:
        faults = unusable(model)
        if faults:
            raise ValueError("model " + model.name + ": " + "; ".join(faults))
        self.model = model
        self.hash = model.hash
        self.weights = np.zeros((D, len(TIERS)), np.int64)
        self.onboarding = np.zeros(D, np.bool_)
        self._slots: list[int] = []
        self._signals: list[tuple[str, SignalFunction, Any]] = []
        self._begins: list[int] = []
        """The first signal of each of those slots."""
        weights: list[int] = []
        for slot, name in enumerate(DIMENSIONS):
            spec = model.dimensions.get(name)
            if spec is None:
                continue
            self.weights[slot] = model.weights(name)
            self.onboarding[slot] = spec.onboarding
            self._slots.append(slot)
            self._begins.append(len(self._signals))
            self._signals += [(s, SIGNALS[s][0], o) for s, o in spec.signals.items()]
            weights += [o.weight for o in spec.signals.values()]
        self._weights = np.array(weights, np.int64).reshape(-1, 1)

    def tiers(self, f: Facts) -> Int64:
        """Tier of each account: told, else the model's first rule that holds, else its default."""
        tier, mrr, seats = f.column("tier"), f.mrr, f.column("seats")
        guess = np.full(len(tier), TIERS.index(self.model.default_tier), np.int64)
        for rule in reversed(self.model.tier_rules):
            holds = mrr >= rule.min_mrr if rule.min_mrr is not None else seats >= (rule.min_seats or 0)
            guess[holds] = TIERS.index(rule.tier)
        return np.where(tier == MISSING, guess, tier)

    def tier_of(self, tier: int, mrr: int, seats: int) -> int:
        """The same of one account, by the tier told or MISSING, the MRR in minor units and the seats."""
        if tier != MISSING:
            return tier
        for rule in self.model.tier_rules:
            if mrr >= rule.min_mrr if rule.min_mrr is not None else seats >= (rule.min_seats or 0):
                return TIERS.index(rule.tier)
        return TIERS.index(self.model.default_tier)

    def evaluate(self, f: Facts) -> Evaluation:
        """Score n accounts."""
        tier = f.tier = self.tiers(f)
        young = f.age_days < self.model.lifecycle.onboarding_days
        weight = self.weights[:, tier] * (self.onboarding[:, None] == young)
        values = np.empty((len(self._signals), len(f)), np.int64)
        for place, (_, function, options) in enumerate(self._signals):
            values[place] = function(f, options)
        sub = self._sub_scores(values, weight)
        signals = {name: values[place] for place, (name, _, _) in enumerate(self._signals)}
        score, coverage = combine(sub, weight)
        return Evaluation(
            sub, weight, score, coverage, contributions(sub, weight, score), tier, values, signals
        )

    def _sub_scores(self, values: Int64, weight: Int64) -> Int64:
        """Of each dimension that counts, the mean of the signals that are known, by their weights; rounded down."""
        sub = np.full(weight.shape, MISSING, np.int64)
        if self._slots:
            have = (values != MISSING) * self._weights
            total = self._sums(have * values)
            have = self._sums(have)
            known = (have > 0) & (weight > 0)[self._slots]
            sub[self._slots] = np.where(known, total // np.maximum(have, 1), MISSING)
        return sub

    def _sums(self, values: Int64) -> Int64:
        """Sums of (signals, n) over the signals of each dimension that has some."""
        if values.shape[1] <= FEW:
            return np.asarray(np.add.reduceat(values, self._begins))
        sums = np.empty((len(self._begins), values.shape[1]), np.int64)
        for i, (first, end) in enumerate(pairwise([*self._begins, len(values)])):
            np.add.reduce(values[first:end], out=sums[i])
        return sums


def combine(sub: Int64, weight: Int64) -> tuple[Int64, Int64]:
    """Weighted score and coverage of (D, n) sub-scores; both as in `Evaluation`."""
    seen = (sub != MISSING) * weight
    have = seen.sum(axis=0)
    total = (seen * sub).sum(axis=0)
    score = np.where(have > 0, total // np.maximum(have, 1), MISSING)
    return score, 1000 * have // np.maximum(weight.sum(axis=0), 1)


def contributions(sub: Int64, weight: Int64, score: Int64) -> Int64:
    """Points of each dimension; the remainder of rounding goes to the first that is seen, so they sum to the score."""
    seen = (sub != MISSING) * weight
    parts: Int64 = seen * sub // np.maximum(seen.sum(axis=0), 1)
    rest = np.where(score != MISSING, score - parts.sum(axis=0), 0)
    first = (seen > 0).argmax(axis=0)
    parts[first, np.arange(parts.shape[1])] += rest
    return parts


def named(values: NDArray[np.int64], names: Sequence[str] = DIMENSIONS) -> dict[str, int]:
    """One account's column of per-dimension values by name, without the missing ones."""
    return {name: int(v) for name, v in zip(names, values.tolist(), strict=True) if v != MISSING}
