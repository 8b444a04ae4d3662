"""strategy_change: the customer's business turns, and what it bought may no longer fit."""

from __future__ import annotations

from alerts.model import Evidence
from alerts.rules.base import Level, Tick, Verdict, date, newest
from scoring.rule_options import WithinDays


class StrategyChange(Level[WithinDays]):
    """A change in strategy is one of six drift signs (The Ten Laws, law 2): a merger, a new leader, another market.

    It stands for 30 days, the usual cool-down of a risk (customer-success-skills, alert governance).
    """

    name = "strategy_change"
    when = "a change of strategy was told within `days`"
    shows = "when it was told"
    play = "Ask the sponsor what the product must do for the new plan, and rewrite the goals together within the month."

    def verdict(self, tick: Tick) -> Verdict:
        """By the newest one."""
        return Verdict(tick.facts.within("strategy_ts", self.options.days))

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """The day of the newest one."""
        ts = int(tick.facts.hot["strategy_ts"][i])
        events = newest(tick.tail(i), "milestone strategy_change")
        return [Evidence(f"a change of strategy was told on {date(ts)}", events)]
