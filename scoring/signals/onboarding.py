"""Onboarding: how soon did the account get value?"""

from __future__ import annotations

import numpy as np

from scoring.curves import curve
from scoring.facts import Facts
from scoring.layout import MISSING, VALUE_TRACKED
from scoring.model import Signal
from scoring.signals.registry import signal
from scoring.times import DAY, UNSET, Int64


@signal()
def time_to_value(f: Facts, s: Signal) -> Int64:
    """Days from creation to the first value event; the clock runs on until there is one."""
    first = f.column("first_value_ts")
    days = (np.where(first == UNSET, f.now, first) - f.created) // DAY
    return np.where(f.flag(VALUE_TRACKED), curve(days, s.curve), MISSING)
