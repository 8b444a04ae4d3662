"""stalled_implementation: a goal of the customer is past its date and not reached."""

from __future__ import annotations

import numpy as np

from alerts.model import Evidence
from alerts.rules.base import Level, Tick, Verdict, counted, date, newest
from scoring.fold.milestones import DONE
from scoring.layout import MISSING
from scoring.rule_options import WithinDays
from scoring.times import DAY, UNSET


class StalledImplementation(Level[WithinDays]):
    """A stalled implementation is the second of six drift signs (The Ten Laws, law 2).

    The law gives no number: two weeks past the date that the customer agreed to is our own choice.
    """

    name = "stalled_implementation"
    when = "a goal that is not reached is `days` past its date"
    shows = "how far the goal is, when it was due"
    play = "Find the one thing it waits for, name who removes it on each side, and set a new date with the sponsor."

    def verdict(self, tick: Tick) -> Verdict:
        """Holds for goals that are declared and dated."""
        f = tick.facts
        due = f.column("goal_due")
        late = (due != UNSET) & (f.now - due >= self.options.days * DAY)
        if late.any():
            goal = f.column("goal")
            late &= (goal != MISSING) & (goal < DONE)
        return Verdict(np.asarray(late))

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """Progress and date."""
        row, now = tick.facts.hot[i], tick.facts.now
        due = int(row["goal_due"])
        ago = counted((now - due) // DAY, "day")
        text = f"the goal is at {int(row['goal']) / 1000:g} % and was due on {date(due)}, {ago} ago"
        return [Evidence(text, newest(tick.tail(i), "milestone goal_progress"))]
