"""cross_sell: the account is healthy and uses one thing, but not what usually goes with it."""

from __future__ import annotations

import numpy as np

from alerts.model import Evidence, Kind
from alerts.rules.base import Level, Mask, Tick, Verdict
from scoring.facts import Facts
from scoring.fold.usage import feature_bit
from scoring.rule_options import CrossSell as Options
from scoring.rule_options import Offer


class CrossSell(Level[Options]):
    """A complement to what they use already is an offer that helps; what goes with what only you know.

    So there is no default: without `offers` the rule is silent. Features are remembered as one of 64 bits each, so
    an offer may stay out where another feature shares the bit of what they lack.
    """

    name = "cross_sell"
    kind = Kind.OPPORTUNITY
    when = "healthy (green, no open complaint, nothing overdue), uses one feature of `offers` and lacks the other"
    shows = "what they use, what they lack, what to suggest"
    play = (
        "Ask how they do today what the other feature does; show it on their own data if they do it by hand."
    )

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._offers = [(o, _bit(o.uses), _bit(o.lacks)) for o in options.offers]

    def verdict(self, tick: Tick) -> Verdict:
        """Unknown while there is not enough data for a band."""
        fits = tick.all(False)
        if self._offers and tick.healthy.any():
            for offer in self._offers:
                fits |= _fits(tick.facts, offer)
            fits &= tick.healthy
        return Verdict(fits, tick.scored)

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """Every offer that fits."""
        one = tick.of(np.array([i]))
        return [
            Evidence(f"uses {offer.uses}, not {offer.lacks}: suggest {offer.suggest}")
            for offer, uses, lacks in self._offers
            if _fits(one, (offer, uses, lacks))[0]
        ]


def _bit(feature: str) -> np.uint64:
    return np.uint64(1 << feature_bit(feature))


def _fits(f: Facts, offer: tuple[Offer, np.uint64, np.uint64]) -> Mask:
    _, uses, lacks = offer
    return np.asarray((f.features & uses != 0) & (f.features & lacks == 0))
