"""urgent_ticket_ageing: an urgent ticket is open for too long."""

from __future__ import annotations

import numpy as np

from alerts.model import Evidence
from alerts.rules.base import Level, Tick, Verdict, newest
from scoring.rule_options import UrgentTicketAgeing as Options
from scoring.tail import URGENT
from scoring.times import HOUR, UNSET


class UrgentTicketAgeing(Level[Options]):
    """The customer is stuck and says so, and nobody has got it unstuck.

    Practitioner numbers: urgent tickets open for more than 14 days mark a risk (customer-success-skills, signal
    library), two unresolved ones poor health (PostHog's handbook). The default looks days earlier, while a call helps.
    """

    name = "urgent_ticket_ageing"
    when = "an urgent ticket is open for `hours_per_tier`"
    shows = "the urgent tickets, oldest first, and for how long each is open"
    play = "Give the customer a name and a time for the next answer today, and tell their sponsor before they ask."

    def verdict(self, tick: Tick) -> Verdict:
        """By the oldest one."""
        f = tick.facts
        since = f.column("urgent_since")
        waits = np.asarray(since != UNSET)
        if waits.any():
            waits &= f.now - since >= f.by_tier(self.options.hours_per_tier) * HOUR
        return Verdict(waits)

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """Every open urgent ticket, the oldest three at most."""
        tail = tick.tail(i)
        waiting = sorted(
            (t.state_ts if t.opened == UNSET else t.opened, name)
            for name, t in tail.tickets.items()
            if t.is_open and t.priority == URGENT
        )
        return [
            Evidence(
                f"ticket {name} is urgent and open for {(tick.facts.now - since) // HOUR} hours",
                newest(tail, f"ticket {name} "),
            )
            for since, name in waiting[:3]
        ]
