"""no_value: what the customer pays for has not happened for a long time."""

from __future__ import annotations

import numpy as np

from alerts.model import Evidence
from alerts.rules.base import Level, Tick, Verdict, counted, date
from scoring.layout import VALUE_TRACKED
from scoring.rule_options import WithinDays
from scoring.times import DAY, UNSET


class NoValue(Level[WithinDays]):
    """Lack of return on investment is the first of six drift signs (The Ten Laws, law 2).

    A value event is whatever your product calls one; the law gives no number of days, 45 are our own choice.
    """

    name = "no_value"
    when = "the last value event or first-value milestone is `days` ago; told only where such events are recorded"
    shows = "when value was last seen, how many days ago"
    play = "Go back to the outcome they bought for: show what was reached, agree on the next and on who measures it."

    def verdict(self, tick: Tick) -> Verdict:
        """Unknown where no usage event ever said whether it was of value."""
        f = tick.facts
        last = f.column("last_value_ts")
        known = f.flag(VALUE_TRACKED)
        long_ago = known & (last != UNSET) & (f.now - last >= self.options.days * DAY)
        return Verdict(np.asarray(long_ago), known)

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """The last time."""
        last = int(tick.facts.hot["last_value_ts"][i])
        ago = counted((tick.facts.now - last) // DAY, "day")
        return [Evidence(f"value last seen on {date(last)}, {ago} ago")]
