"""Contract growth: does the account pay more than a year ago?"""

from __future__ import annotations

import numpy as np

from scoring.curves import curve
from scoring.facts import Facts
from scoring.layout import MISSING
from scoring.model import Signal
from scoring.signals.registry import signal
from scoring.times import Int64


@signal()
def mrr_growth(f: Facts, s: Signal) -> Int64:
    """MRR against twelve months ago (or the earliest known since), in thousandths."""
    base = f.mrr_base()
    return np.where(base > 0, curve(f.mrr * 1000 // np.maximum(base, 1), s.curve), MISSING)
