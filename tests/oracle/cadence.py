"""How long an account of this rhythm may be quiet before it is silence (section 8)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from tests.oracle.account import Standing
from tests.oracle.facts import Facts

LEARNT_DAYS = 120
SOURCES = ("usage", "engagement")


def limit(days: list[int], today: int, factor: int, minimum_gaps: int) -> int | None:
    """Days; None if too few gaps are known. Today is left out: it has only begun."""
    known = sorted(d for d in days if today - LEARNT_DAYS <= d < today)
    gaps = sorted(later - earlier for earlier, later in pairwise(known))
    k = len(gaps)
    if k < minimum_gaps:
        return None
    median, longest_usual = gaps[(k + 1) // 2 - 1], gaps[(9 * k + 9) // 10 - 1]
    return max(factor * median, 2 * longest_usual)


def learn(standing: Standing, facts: Facts, rule: dict[str, Any]) -> None:
    """Work the limits out at the first tick of a day."""
    if standing.limits_day == facts.today:
        return
    standing.limits_day = facts.today
    days = {"usage": facts.active, "engagement": facts.engaged}
    for source in SOURCES:
        standing.limits[source] = limit(days[source], facts.today, rule["factor"], rule["minimum_gaps"])


def last_day(facts: Facts, source: str) -> int | None:
    """The last day with a sign of life, however long ago in this term."""
    if source == "usage":
        return facts.totals.last_active
    return max(facts.totals.engaged, default=None)
