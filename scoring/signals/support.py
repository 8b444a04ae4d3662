"""Support: few tickets are healthy, none is not.

Urgent ones must not age, closed ones must stay closed, complaints weigh.
"""

from __future__ import annotations

import numpy as np

from scoring.curves import FULL, curve
from scoring.facts import Facts
from scoring.layout import MISSING
from scoring.model import Signal
from scoring.signals.registry import signal
from scoring.times import HOUR, UNSET, Int64


def _known(f: Facts, sub: Int64) -> Int64:
    return np.where(f.seen(1), sub, MISSING)


@signal("window_days", "default_seats")
def ticket_volume(f: Facts, s: Signal) -> Int64:
    """Tickets opened in the window per 100 seats, in thousandths: a U-curve."""
    seats = f.column("seats")
    seats = np.where(seats > 0, seats, s.default_seats or 1)
    return _known(f, curve(f.window("tickets", s.window_days or 1) * 100_000 // seats, s.curve))


@signal()
def urgent_age(f: Facts, s: Signal) -> Int64:
    """Hours the oldest open urgent ticket has been waiting; full marks if there is none."""
    since = f.column("urgent_since")
    return _known(f, np.where(since == UNSET, FULL, curve((f.at - since) // HOUR, s.curve)))


@signal("window_weeks")
def reopens(f: Facts, s: Signal) -> Int64:
    """Reopened tickets in the window."""
    return _known(f, curve(f.window("reopens", s.window_weeks or 1), s.curve))


@signal("window_weeks")
def complaints(f: Facts, s: Signal) -> Int64:
    """Tickets marked as complaints in the window."""
    return _known(f, curve(f.window("complaints", s.window_weeks or 1), s.curve))
