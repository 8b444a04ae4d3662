"""Goals: what the customer wants to reach, as far as it was declared."""

from __future__ import annotations

import numpy as np

from scoring.curves import FULL, curve
from scoring.facts import Facts
from scoring.fold.milestones import DONE
from scoring.layout import MISSING
from scoring.model import Signal
from scoring.signals.registry import signal
from scoring.times import DAY, UNSET, Int64


@signal()
def goal_progress(f: Facts, s: Signal) -> Int64:
    """Progress towards the goal, in thousandths of a percent."""
    goal = f.column("goal")
    return np.where(goal == MISSING, MISSING, curve(goal, s.curve))


@signal()
def goal_overdue(f: Facts, s: Signal) -> Int64:
    """Days the goal is past its date; full marks if it is reached or has none."""
    goal, due = f.column("goal"), f.column("goal_due")
    late = (goal < DONE) & (due != UNSET) & (due <= f.at)
    return np.where(goal == MISSING, MISSING, np.where(late, curve((f.at - due) // DAY, s.curve), FULL))
