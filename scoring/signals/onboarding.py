"""Onboarding: how soon did the account get value?"""

from __future__ import annotations

import numpy as np

from scoring.curves import FULL, curve
from scoring.facts import Facts
from scoring.layout import MILESTONES_TRACKED, MISSING, VALUE_TRACKED
from scoring.model import Signal
from scoring.model_parts import PerTier
from scoring.signals.registry import signal
from scoring.times import DAY, UNSET, Int64


@signal()
def time_to_value(f: Facts, s: Signal) -> Int64:
    """Days from creation to the first value event; the clock runs on until there is one."""
    first = f.column("first_value_ts")
    days = (np.where(first == UNSET, f.at, first) - f.created) // DAY
    return np.where(f.flag(VALUE_TRACKED), curve(days, s.curve), MISSING)


def onboarding_due(f: Facts, days_per_tier: PerTier) -> Int64:
    """When onboarding should be done: as planned, else so many days after creation by tier."""
    planned = f.column("onboarding_due")
    return np.where(planned != UNSET, planned, f.created + f.by_tier(days_per_tier) * DAY)


@signal("days_per_tier")
def onboarding_progress(f: Facts, s: Signal) -> Int64:
    """Days that onboarding is past its date, negative before it; full marks once it is done."""
    late = curve((f.at - onboarding_due(f, s.days_per_tier or {})) // DAY, s.curve)
    done = f.column("onboarded_ts") != UNSET
    return np.where(f.flag(MILESTONES_TRACKED), np.where(done, FULL, late), MISSING)
