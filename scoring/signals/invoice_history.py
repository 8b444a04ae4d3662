"""Invoice history: is something overdue, and does paying go smoothly?"""

from __future__ import annotations

import numpy as np

from scoring.curves import FULL, curve
from scoring.facts import Facts
from scoring.layout import MISSING
from scoring.model import Signal
from scoring.signals.registry import signal
from scoring.times import DAY, UNSET, Int64


def _known(f: Facts, sub: Int64) -> Int64:
    return np.where(f.seen(2), sub, MISSING)


@signal()
def overdue(f: Facts, s: Signal) -> Int64:
    """Days the oldest open invoice is past due; full marks if none is."""
    due = f.column("oldest_due")
    late = (due != UNSET) & (due < f.at)
    return _known(f, np.where(late, curve((f.at - due) // DAY, s.curve), FULL))


@signal("window_weeks")
def late_payments(f: Facts, s: Signal) -> Int64:
    """Invoices paid a day or more after they were due, in the window."""
    return _known(f, curve(f.window("late", s.window_weeks or 1), s.curve))


@signal("window_weeks")
def payment_trouble(f: Facts, s: Signal) -> Int64:
    """Failed payments and disputes in the window."""
    weeks = s.window_weeks or 1
    return _known(f, curve(f.window("failures", weeks) + f.window("disputes", weeks), s.curve))
