"""The signals, each as the table of section 5 has it: facts, tick, options to a sub-score; None = missing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from tests.oracle.facts import FEATURE_BITS, USER_BITS, Facts
from tests.oracle.instants import DAY, HOUR, day
from tests.oracle.milestones import REACHED

Options = dict[str, Any]
Signal = Callable[[Facts, int, Options], int | None]
LONGEST_DECAY = 3200


def curve(x: int, points: Sequence[Sequence[int]]) -> int:
    """Piecewise linear through the points, clamped at the ends."""
    if x <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in pairwise(points):
        if x <= x1:
            return y0 + (x - x0) * (y1 - y0) // (x1 - x0)
    return points[-1][1]


@cache
def linear_counting(m: int, k: int) -> int:
    """Distinct names, in thousandths, behind k of m bits."""
    return round(-1000 * m * math.log(max(m - k, 0.5) / m))


@cache
def half_life(hours: int, life: int) -> int:
    """What is left after whole hours, in millionths."""
    return round(1_000_000 * math.pow(2.0, -min(hours, LONGEST_DECAY) / life))


def usage_trend(f: Facts, now: int, o: Options) -> int | None:
    r, b, first_ts = o["recent_days"], o["baseline_days"], f.row.term.first_ts
    first = max(f.today - r - b, f.today if first_ts is None else day(first_ts))
    days, base = f.today - r - first, f.window("usage", b, r + 1)
    if f.age(now) < o["min_age_days"] or days < 14 or base < o["minimum"] * 1000:
        return None
    recent = min(f.window("usage", r + 1), 10**12)
    hours = 24 * r + now % DAY // HOUR
    return curve(int(recent * days * 24 * 1000 // (base * hours)), o["curve"])


def adoption_breadth(f: Facts, now: int, o: Options) -> int | None:
    if not f.totals.feature_ever or f.age(now) < 7:
        return None
    return curve(linear_counting(FEATURE_BITS, len(set().union(*f.features.values()))), o["curve"])


def distinct_users(f: Facts) -> int:
    """Users of five weeks, in thousandths."""
    return linear_counting(USER_BITS, len(set().union(*f.users.values())))


def regular_users(f: Facts, _now: int, o: Options) -> int | None:
    weeks = Counter(number for bits in f.users.values() for number in bits)
    if not weeks:
        return None
    regular = linear_counting(USER_BITS, sum(n >= 2 for n in weeks.values()))
    return curve(regular * 1000 // distinct_users(f), o["curve"])


def users_per_seat(f: Facts) -> int | None:
    """The x of seat_ratio, thousandths."""
    users = max(distinct_users(f), 1000 * max(f.users_max.values(), default=0))
    return users // f.seats if f.seats and users else None


def seat_ratio(f: Facts, _now: int, o: Options) -> int | None:
    ratio = users_per_seat(f)
    return None if ratio is None else curve(ratio, o["curve"])


def activity(f: Facts, now: int, o: Options) -> int | None:
    if f.age(now) < 7 or not f.seen("usage"):
        return None
    return curve(sum(d in f.active for d in range(f.today - 27, f.today + 1)), o["curve"])


def error_rate(f: Facts, _now: int, o: Options) -> int | None:
    used = f.window("usage", 7)
    return curve(f.window("errors", 7) * 1_000_000 // used, o["curve"]) if used else None


def ticket_volume(f: Facts, _now: int, o: Options) -> int | None:
    if not f.seen("ticket"):
        return None
    opened = f.window("tickets", o["window_days"])
    return curve(opened * 100_000 // (f.seats or o["default_seats"]), o["curve"])


def urgent_age(f: Facts, now: int, o: Options) -> int | None:
    if not f.seen("ticket"):
        return None
    return 100_000 if f.urgent_since is None else curve((now - f.urgent_since) // HOUR, o["curve"])


def _weekly(kind: str, *rings: str) -> Signal:
    def signal(f: Facts, _now: int, o: Options) -> int | None:
        if not f.seen(kind):
            return None
        return curve(sum(f.window(ring, o["window_weeks"]) for ring in rings), o["curve"])

    return signal


def overdue(f: Facts, now: int, o: Options) -> int | None:
    if not f.seen("invoice"):
        return None
    if f.oldest_due is None or f.oldest_due >= now:
        return 100_000
    return curve((now - f.oldest_due) // DAY, o["curve"])


def _survey(kind: str) -> Signal:
    def signal(f: Facts, now: int, o: Options) -> int | None:
        answers = f.row.term.answers.get(kind)
        if not answers:
            return None
        mean = sum(score for _, _, score in answers.values()) // len(answers)
        hours = (now - max(time for time, _, _ in answers.values())) // HOUR
        left = half_life(hours, 24 * o["half_life_days"])
        return 50_000 + (curve(mean, o["curve"]) - 50_000) * left // 1_000_000

    return signal


def mrr_growth(f: Facts, _now: int, o: Options) -> int | None:
    return curve(f.mrr * 1000 // f.mrr_base, o["curve"]) if f.mrr is not None and f.mrr_base else None


def time_to_value(f: Facts, now: int, o: Options) -> int | None:
    if not f.totals.value_tracked:
        return None
    reached = f.totals.first_value_ts
    return curve(((now if reached is None else reached) - f.created_or_first) // DAY, o["curve"])


def sponsor_contact(f: Facts, now: int, o: Options) -> int | None:
    if not f.totals.sponsors_tracked:
        return None
    x, spoke = 0, f.totals.sponsor_ts
    if spoke is not None:
        x = 100_000 * half_life((now - spoke) // HOUR, 24 * o["half_life_days"]) // 1_000_000
    return curve(x, o["curve"])


def sponsor_presence(f: Facts, _now: int, o: Options) -> int | None:
    return curve(f.totals.sponsors, o["curve"]) if f.totals.sponsors_tracked else None


def reply_seniority(f: Facts, _now: int, o: Options) -> int | None:
    replies = f.window("replies", o["window_weeks"])
    senior = f.window("senior_replies", o["window_weeks"])
    return curve(senior * 1000 // replies, o["curve"]) if replies else None


def contact_breadth(f: Facts, now: int, o: Options) -> int | None:
    since = now - o["window_days"] * DAY
    spoke = sum(time > since for time in f.totals.contact_ts)
    return curve(spoke, o["curve"]) if f.totals.contacts_tracked else None


def two_way_contact(f: Facts, now: int, o: Options) -> int | None:
    if not f.totals.contacts_tracked:
        return None
    hours = (now - f.touched_ts) // HOUR
    return curve(hours * 1000 // (24 * o["days_per_tier"][o["tier"]]), o["curve"])


def self_service(f: Facts, _now: int, o: Options) -> int | None:
    helped = f.window("help", o["window_weeks"])
    asked = helped + f.window("tickets", 7 * o["window_weeks"])
    return curve(helped * 1000 // asked, o["curve"]) if f.totals.help_tracked and asked else None


def marketing_response(f: Facts, _now: int, o: Options) -> int | None:
    heard = f.window("marketing", o["window_weeks"])
    return curve(heard, o["curve"]) if f.totals.marketing_tracked else None


def community_activity(f: Facts, _now: int, o: Options) -> int | None:
    seen = f.window("community", o["window_weeks"])
    return curve(seen, o["curve"]) if f.totals.community_tracked else None


def goal_progress(f: Facts, _now: int, o: Options) -> int | None:
    goal = f.totals.milestones.goal
    return None if goal is None else curve(goal[1], o["curve"])


def goal_overdue(f: Facts, now: int, o: Options) -> int | None:
    goal, due = f.totals.milestones.goal, f.totals.milestones.goal_due
    if goal is None:
        return None
    if goal[1] == REACHED or due is None or due[1] > now:
        return 100_000
    return curve((now - due[1]) // DAY, o["curve"])


def onboarding_progress(f: Facts, now: int, o: Options) -> int | None:
    if not f.totals.milestones.told:
        return None
    if f.totals.milestones.onboarded_ts is not None:
        return 100_000
    return curve((now - f.onboarding_due(o["days_per_tier"][o["tier"]])) // DAY, o["curve"])


SIGNALS: dict[str, Signal] = {
    "usage_trend": usage_trend,
    "adoption_breadth": adoption_breadth,
    "regular_users": regular_users,
    "seat_ratio": seat_ratio,
    "activity": activity,
    "error_rate": error_rate,
    "ticket_volume": ticket_volume,
    "urgent_age": urgent_age,
    "reopens": _weekly("ticket", "reopens"),
    "complaints": _weekly("ticket", "complaints"),
    "overdue": overdue,
    "late_payments": _weekly("invoice", "late"),
    "payment_trouble": _weekly("invoice", "failures", "disputes"),
    "nps": _survey("nps"),
    "csat": _survey("csat"),
    "ces": _survey("ces"),
    "mrr_growth": mrr_growth,
    "time_to_value": time_to_value,
    "sponsor_contact": sponsor_contact,
    "sponsor_presence": sponsor_presence,
    "reply_seniority": reply_seniority,
    "contact_breadth": contact_breadth,
    "two_way_contact": two_way_contact,
    "self_service": self_service,
    "marketing_response": marketing_response,
    "community_activity": community_activity,
    "goal_progress": goal_progress,
    "goal_overdue": goal_overdue,
    "onboarding_progress": onboarding_progress,
}
