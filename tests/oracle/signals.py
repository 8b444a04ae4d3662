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


def seat_ratio(f: Facts, _now: int, o: Options) -> int | None:
    users = max(distinct_users(f), 1000 * max(f.users_max.values(), default=0))
    return curve(users // f.seats, o["curve"]) if f.seats and users else None


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
    reached, term = f.totals.first_value_ts, f.row.term
    since = term.first_ts if term.created_ts is None else term.created_ts
    return curve(((now if reached is None else reached) - (since or 0)) // DAY, o["curve"])


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
}
