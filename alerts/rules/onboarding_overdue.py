"""onboarding_overdue: the date by which the account should be up and running has passed."""

from __future__ import annotations

import numpy as np

from alerts.model import Evidence
from alerts.rules.base import Level, Tick, Verdict, counted, date
from scoring.layout import MILESTONES_TRACKED, VALUE_TRACKED
from scoring.rule_options import TierDays
from scoring.signals.onboarding import onboarding_due
from scoring.times import DAY, UNSET


class OnboardingOverdue(Level[TierDays]):
    """Time to value decides early whether a customer stays (The Ten Laws, law 7).

    The law asks for a target per kind of customer and names none; these days are our own, to be set by yours.
    """

    name = "onboarding_overdue"
    when = (
        "neither onboarding done nor first value by the planned date, else `days_per_tier` after it was created; "
        "told only where milestones or value events are recorded"
    )
    shows = "when onboarding was due, how many days ago"
    play = "Sit down with their project lead for an hour and set up the first use that pays; drop the rest of the plan."

    def verdict(self, tick: Tick) -> Verdict:
        """Unknown where neither milestones nor value events are told."""
        f = tick.facts
        known = f.flag(MILESTONES_TRACKED | VALUE_TRACKED)
        waits = known & (f.column("onboarded_ts") == UNSET) & (f.column("first_value_ts") == UNSET)
        if waits.any():
            waits &= f.now > onboarding_due(f, self.options.days_per_tier)
        return Verdict(np.asarray(waits), known)

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """The date and how far it is past."""
        f = tick.facts
        due = int(onboarding_due(f, self.options.days_per_tier)[i])
        ago = counted((f.now - due) // DAY, "day")
        return [Evidence(f"onboarding was due on {date(due)}, {ago} ago; no value seen yet")]
