"""low_adoption: few of the seats that are paid for are used."""

from __future__ import annotations

import numpy as np

from alerts.model import Evidence
from alerts.rules.base import Level, Tick, Verdict
from scoring.layout import MISSING
from scoring.rule_options import LowAdoption as Options

_MARGIN = 5
"""Percent of the seats that it must rise above the limit to be over."""


class LowAdoption(Level[Options]):
    """Low adoption is one of six drift signs (The Ten Laws, law 2): seats that nobody uses are not renewed.

    Practitioner numbers: below 50 % of the licences is red, but 10 to 50 % is only yellow at two to six months
    (GitLab's handbook); below 20 % of active users is poor (PostHog's handbook).
    """

    name = "low_adoption"
    when = (
        "fewer than `percent` of the seats are used in five weeks, from `min_age_days` on; until 5 % more are"
    )
    shows = "how many of how many seats are used"
    play = "Ask whom the idle seats were bought for; train one team of them on one task, not everybody on everything."

    def verdict(self, tick: Tick) -> Verdict:
        """Unknown for young accounts and without seats or users."""
        f, percent = tick.facts, self.options.percent
        used = f.seat_ratio
        known = np.asarray((used != MISSING) & (f.age_days >= self.options.min_age_days))
        keeps = known & (used < 10 * (percent + _MARGIN))
        return Verdict(keeps & (used < 10 * percent), known, keeps)

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """Used and paid seats."""
        return [Evidence(seats_used(int(tick.facts.seat_ratio[i]), int(tick.facts.hot["seats"][i])))]


def seats_used(ratio: int, seats: int) -> str:
    """In words: users per seat in thousandths, and seats."""
    return f"about {ratio * seats // 1000} of {seats} seats used in five weeks ({ratio / 10:g} %)"
