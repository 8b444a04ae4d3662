"""The condition of every level rule, as the table of section 8 has it; None = cannot be told.

Each takes the rule's options and whether it fires already: some conditions are weaker while they do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.oracle.account import AccountRow
from tests.oracle.bands import BANDS, GREEN, INSUFFICIENT, velocity
from tests.oracle.cadence import last_day
from tests.oracle.facts import FEATURE_BITS, SURVEYS, Facts, bit
from tests.oracle.instants import DAY, HOUR
from tests.oracle.milestones import REACHED
from tests.oracle.signals import users_per_seat

Options = dict[str, Any]


@dataclass(frozen=True)
class Situation:
    """An account at a tick, after its band was decided."""

    row: AccountRow
    facts: Facts
    now: int
    live: frozenset[str]
    """Names of the feeds that are live."""

    @property
    def band(self) -> int:
        return self.row.term.standing.band

    def per_tier(self, values: dict[str, int]) -> int:
        """What an option says for the tier of the account."""
        return values[self.row.term.standing.tier]

    def within(self, time: int | None, days: int) -> bool:
        """Whether a time is known and less than so many days ago."""
        return time is not None and self.now - time < days * DAY

    @property
    def healthy(self) -> bool:
        """Green, without open complaint, and nothing overdue."""
        due = self.facts.oldest_due
        overdue = due is not None and due < self.now
        return self.band == GREEN and self.facts.open_complaints == 0 and not overdue


Condition = Callable[[Situation, Options, bool], bool | None]


def band_entered(s: Situation, o: Options, _firing: bool) -> bool | None:
    return None if s.band == INSUFFICIENT else BANDS[s.band] in o["bands"]


def rapid_drop(s: Situation, o: Options, firing: bool) -> bool | None:
    if s.band == INSUFFICIENT:
        return None
    standing, part = s.row.term.standing, 50 if firing else 100
    old_enough = {n: s.facts.age(s.now) >= o.get("min_age_days", 30) + n for n in (7, 28)}
    week, month = (velocity(standing, s.now, n) if old_enough[n] else None for n in (7, 28))
    if week is None and month is None:
        return None
    fell = week is not None and week <= -part * o["week_points"]
    return fell or (month is not None and month <= -part * o["month_points"])


def silence_of(source: str) -> Condition:
    """The rule `silence` for one feed."""

    def silence(s: Situation, o: Options, _firing: bool) -> bool | None:
        limit, last = s.row.term.standing.limits.get(source), last_day(s.facts, source)
        if source not in s.live or limit is None:
            return None
        return last is not None and s.now - DAY * last >= DAY * limit - o["hold_hours"] * HOUR

    return silence


def urgent_ticket_ageing(s: Situation, o: Options, _firing: bool) -> bool | None:
    since = s.facts.urgent_since
    return since is not None and s.now - since >= s.per_tier(o["hours_per_tier"]) * HOUR


def support_cluster(s: Situation, o: Options, _firing: bool) -> bool | None:
    n = o["window_days"]
    recent, before = s.facts.window("tickets", n), s.facts.window("tickets", 56, n)
    return recent >= o["tickets"] and recent * 56 >= o["factor"] * n * before


def detractor(s: Situation, o: Options, _firing: bool) -> bool | None:
    return s.within(s.facts.detractor_ts, o["days"])


def falling_sentiment(s: Situation, o: Options, firing: bool) -> bool | None:
    enough = (500 if firing else 1000) * o["points"]
    fresh = [kind for kind in SURVEYS if s.within(s.facts.newest_answer(kind), o["days"])]
    return any(s.facts.trends.get(kind, 0) <= -enough for kind in fresh if kind in s.facts.trends)


def invoice_overdue(s: Situation, o: Options, _firing: bool) -> bool | None:
    due = s.facts.oldest_due
    return due is not None and s.now - due >= o["days"] * DAY


def no_two_way_contact(s: Situation, o: Options, _firing: bool) -> bool | None:
    if not s.facts.totals.contacts_tracked:
        return None
    return s.now - s.facts.touched_ts >= s.per_tier(o["days_per_tier"]) * DAY


def onboarding_overdue(s: Situation, o: Options, _firing: bool) -> bool | None:
    totals = s.facts.totals
    if not totals.milestones.told and not totals.value_tracked:
        return None
    reached = totals.milestones.onboarded_ts is not None or totals.first_value_ts is not None
    return not reached and s.now > s.facts.onboarding_due(s.per_tier(o["days_per_tier"]))


def no_value(s: Situation, o: Options, _firing: bool) -> bool | None:
    if not s.facts.totals.value_tracked:
        return None
    last = s.facts.totals.last_value_ts
    return last is not None and s.now - last >= o["days"] * DAY


def stalled_implementation(s: Situation, o: Options, _firing: bool) -> bool | None:
    goal, due = s.facts.totals.milestones.goal, s.facts.totals.milestones.goal_due
    if goal is None or due is None:
        return False
    return goal[1] < REACHED and s.now - due[1] >= o["days"] * DAY


def low_adoption(s: Situation, o: Options, firing: bool) -> bool | None:
    ratio = users_per_seat(s.facts)
    if ratio is None or s.facts.age(s.now) < o["min_age_days"]:
        return None
    return ratio < 10 * (o["percent"] + (5 if firing else 0))


def feature_declined(s: Situation, o: Options, _firing: bool) -> bool | None:
    return s.within(s.facts.totals.milestones.declined_ts, o["days"])


def strategy_change(s: Situation, o: Options, _firing: bool) -> bool | None:
    return s.within(s.facts.totals.milestones.strategy_ts, o["days"])


def coverage_lost(s: Situation, o: Options, _firing: bool) -> bool | None:
    standing, weights = s.row.term.standing, s.row.term.standing.weights
    if not weights:
        return None
    lost = [n for n in weights if standing.dimensions[n] is None and n in standing.last_sub]
    return 1000 * sum(weights[n] for n in lost) >= 10 * o["percent"] * sum(weights.values())


def upsell(s: Situation, o: Options, _firing: bool) -> bool | None:
    if s.band == INSUFFICIENT:
        return None
    ratio = users_per_seat(s.facts)
    return s.healthy and ratio is not None and ratio >= 10 * o["percent"]


def cross_sell(s: Situation, o: Options, _firing: bool) -> bool | None:
    if s.band == INSUFFICIENT:
        return None
    used = set().union(*s.facts.features.values())
    fits = [
        bit(offer["uses"], FEATURE_BITS) in used and bit(offer["lacks"], FEATURE_BITS) not in used
        for offer in o["offers"]
    ]
    return s.healthy and any(fits)


def advocate(s: Situation, o: Options, _firing: bool) -> bool | None:
    if s.band == INSUFFICIENT:
        return None
    promotes, detracts = (s.within(t, o["days"]) for t in (s.facts.promoter_ts, s.facts.detractor_ts))
    return s.healthy and promotes and not detracts


CONDITIONS: dict[str, Condition] = {
    "band_entered": band_entered,
    "rapid_drop": rapid_drop,
    "silence_usage": silence_of("usage"),
    "silence_engagement": silence_of("engagement"),
    "urgent_ticket_ageing": urgent_ticket_ageing,
    "support_cluster": support_cluster,
    "detractor": detractor,
    "falling_sentiment": falling_sentiment,
    "invoice_overdue": invoice_overdue,
    "no_two_way_contact": no_two_way_contact,
    "onboarding_overdue": onboarding_overdue,
    "no_value": no_value,
    "stalled_implementation": stalled_implementation,
    "low_adoption": low_adoption,
    "feature_declined": feature_declined,
    "strategy_change": strategy_change,
    "coverage_lost": coverage_lost,
    "upsell": upsell,
    "cross_sell": cross_sell,
    "advocate": advocate,
}
