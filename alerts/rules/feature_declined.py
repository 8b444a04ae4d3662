"""feature_declined: the customer was told that something it asked for will not come."""

from __future__ import annotations

from alerts.model import Evidence
from alerts.rules.base import Level, Tick, Verdict, date, newest
from scoring.rule_options import WithinDays


class FeatureDeclined(Level[WithinDays]):
    """Lack of features is one of six drift signs (The Ten Laws, law 2).

    It stands for 30 days, the usual cool-down of a risk (customer-success-skills, alert governance).
    """

    name = "feature_declined"
    when = "a feature request was declined within `days`"
    shows = "when it was declined"
    play = "Explain why in person, show the nearest way to the same end, and note what would make them look elsewhere."

    def verdict(self, tick: Tick) -> Verdict:
        """By the newest one."""
        return Verdict(tick.facts.within("declined_ts", self.options.days))

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """The day of the newest one."""
        ts = int(tick.facts.hot["declined_ts"][i])
        events = newest(tick.tail(i), "milestone feature_declined")
        return [Evidence(f"a feature they asked for was declined on {date(ts)}", events)]
