"""support_cluster: many tickets at once, and many more than usual."""

from __future__ import annotations

import numpy as np

from alerts.model import Evidence
from alerts.rules.base import Level, Tick, Verdict, counted, newest
from scoring.rule_options import SupportCluster as Options

_PACE_DAYS = 56
"""The weeks before the window that tell what is usual."""


class SupportCluster(Level[Options]):
    """Lots of support calls are one of three signs of risk (The Ten Laws of Customer Success, law 8).

    Practitioner default: three tickets or more in 7 days are a cluster (customer-success-skills, signal library);
    twice the account's own pace, so that a large account may go on asking as much as it always did.
    """

    name = "support_cluster"
    when = "`tickets` in `window_days`, and `factor` times the pace of the eight weeks before"
    shows = "how many tickets, how many are usual"
    play = "Read the tickets together for one cause before they are answered one by one; tell them what you found."

    def verdict(self, tick: Tick) -> Verdict:
        """The pace counts only for those with enough tickets."""
        o = self.options
        recent = tick.facts.window("tickets", o.window_days)
        many = np.asarray(recent >= o.tickets)
        holds = many
        at = np.flatnonzero(many)
        if len(at):
            before = tick.of(at).window("tickets", _PACE_DAYS, o.window_days)
            holds[at] = recent[at] * _PACE_DAYS >= o.factor * o.window_days * before
        return Verdict(holds)

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """Now and usually."""
        days = self.options.window_days
        recent = int(tick.facts.window("tickets", days)[i])
        before = int(tick.of(np.array([i])).window("tickets", _PACE_DAYS, days)[0])
        usual = f"usually {before * days / _PACE_DAYS:.1f}" if before else "none in the 8 weeks before"
        text = f"{counted(recent, 'ticket')} in {counted(days, 'day')}; {usual}"
        return [Evidence(text, newest(tick.tail(i), "ticket "))]
