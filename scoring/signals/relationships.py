"""Executive relationships and CSM activity: do the people who decide still answer?

Outbound mail alone counts for nothing.
"""

from __future__ import annotations

import numpy as np

from scoring.curves import FULL, MILLION, curve, half_life
from scoring.facts import Facts
from scoring.layout import CONTACTS_TRACKED, MISSING, SPONSORS_TRACKED
from scoring.model import Signal
from scoring.signals.registry import TOUCH_WEEKS, signal
from scoring.times import DAY, HOUR, UNSET, Int64


@signal("half_life_days")
def sponsor_contact(f: Facts, s: Signal) -> Int64:
    """How long ago a sponsor who is still there replied, fading by half-life; nothing if none ever did."""
    ts = f.column("sponsor_ts")
    fresh = FULL * half_life((f.at - ts) // HOUR, 24 * (s.half_life_days or 1)) // MILLION
    return np.where(f.flag(SPONSORS_TRACKED), curve(np.where(ts == UNSET, 0, fresh), s.curve), MISSING)


@signal()
def sponsor_presence(f: Facts, s: Signal) -> Int64:
    """Executives and champions who have not left."""
    return np.where(f.flag(SPONSORS_TRACKED), curve(f.column("sponsors"), s.curve), MISSING)


@signal("window_weeks", longest_weeks=TOUCH_WEEKS)
def reply_seniority(f: Facts, s: Signal) -> Int64:
    """Share of replies that come from executives and champions, in thousandths."""
    replies = f.window("replies", s.window_weeks or 1)
    senior = f.window("senior_replies", s.window_weeks or 1)
    return np.where(replies > 0, curve(senior * 1000 // np.maximum(replies, 1), s.curve), MISSING)


@signal("window_days")
def contact_breadth(f: Facts, s: Signal) -> Int64:
    """People who replied in the window, eight at most: an account that hangs on one person is at risk."""
    people = (f.vector("contact_ts") > f.at - (s.window_days or 1) * DAY).sum(axis=0, dtype=np.int64)
    return np.where(f.flag(CONTACTS_TRACKED), curve(people, s.curve), MISSING)


@signal("days_per_tier")
def two_way_contact(f: Facts, s: Signal) -> Int64:
    """Time since the last reply or meeting in thousandths of the tier's cadence."""
    cadence = 24 * f.by_tier(s.days_per_tier or {})
    x = (f.at - f.touched_ts) // HOUR * 1000 // cadence
    return np.where(f.flag(CONTACTS_TRACKED), curve(x, s.curve), MISSING)
