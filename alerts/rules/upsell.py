"""upsell: the account is healthy and has nearly used up its seats."""

from __future__ import annotations

from alerts.model import Evidence, Kind
from alerts.rules.base import Level, Tick, Verdict
from alerts.rules.low_adoption import seats_used
from scoring.rule_options import PercentRule


class Upsell(Level[PercentRule]):
    """Those who use it most are the ones to ask, if it helps them; existing customers are the easier ones to sell to.

    Practitioner number: from 80 % of the licences in use an account is green (GitLab's handbook); at 90 % the next
    colleague will soon lack a seat.
    """

    name = "upsell"
    kind = Kind.OPPORTUNITY
    when = "healthy (green, no open complaint, nothing overdue) and `percent` of the seats are used"
    shows = "how many of how many seats are used"
    play = "Show them their own growth and what more seats would cost before the last one is taken; no discount needed."

    def verdict(self, tick: Tick) -> Verdict:
        """Unknown while there is not enough data for a band."""
        ready = tick.healthy
        if ready.any():
            ready = ready & (tick.facts.seat_ratio >= 10 * self.options.percent)
        return Verdict(ready, tick.scored)

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """Used and paid seats."""
        return [Evidence(seats_used(int(tick.facts.seat_ratio[i]), int(tick.facts.hot["seats"][i])))]
