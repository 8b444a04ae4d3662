"""Product usage: is it used as it used to be, widely, by its people, on many days, without errors?"""

from __future__ import annotations

import numpy as np

from scoring.curves import curve
from scoring.facts import Facts
from scoring.layout import FEATURES_SEEN, MISSING
from scoring.model import Signal
from scoring.signals.registry import signal
from scoring.times import DAY, Int64

_LARGEST = 10**12  # keeps the product below inside 64 bits
_SETTLED_DAYS = 7


@signal("recent_days", "baseline_days", "minimum", "min_age_days")
def usage_trend(f: Facts, s: Signal) -> Int64:
    """Recent daily usage against the account's own baseline, in thousandths.

    The baseline leaves the recent days out.
    """
    recent, baseline = s.recent_days or 0, s.baseline_days or 0
    base = f.window("usage", baseline, recent + 1)
    first = np.maximum(f.today - recent - baseline, f.column("first_ts") // DAY)
    days = f.today - recent - first
    now = np.minimum(f.window("usage", recent + 1), _LARGEST)
    known = (
        (f.age_days >= (s.min_age_days or 0)) & (days >= 14) & (base >= (s.minimum or 0) * 1000) & (base > 0)
    )
    ratio = now * days * 24_000 // np.where(known, base * (24 * recent + f.hours_today), 1)
    return np.where(known, curve(ratio, s.curve), MISSING)


@signal()
def adoption_breadth(f: Facts, s: Signal) -> Int64:
    """Distinct features used in five weeks, in thousandths."""
    return np.where(
        f.flag(FEATURES_SEEN) & (f.age_days >= _SETTLED_DAYS), curve(f.features_used(), s.curve), MISSING
    )


@signal()
def regular_users(f: Facts, s: Signal) -> Int64:
    """Share of the users of five weeks who came in two weeks or more, in thousandths."""
    users = f.users()
    share = f.regular_users() * 1000 // np.maximum(users, 1)
    return np.where(users > 0, curve(share, s.curve), MISSING)


@signal()
def seat_ratio(f: Facts, s: Signal) -> Int64:
    """Users per seat, in thousandths; the larger of counted users and reported active users."""
    return np.where(f.seat_ratio != MISSING, curve(f.seat_ratio, s.curve), MISSING)


@signal()
def activity(f: Facts, s: Signal) -> Int64:
    """Days with usage among the last 28."""
    return np.where(f.seen(0) & (f.age_days >= _SETTLED_DAYS), curve(f.active_days(28), s.curve), MISSING)


@signal()
def error_rate(f: Facts, s: Signal) -> Int64:
    """Errors per unit of usage in a week, in thousandths."""
    used = f.window("usage", 7)
    rate = f.window("errors", 7) * 1_000_000 // np.maximum(used, 1)
    return np.where(used > 0, curve(rate, s.curve), MISSING)
