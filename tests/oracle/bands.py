"""Score, coverage and bands of one account at one tick (sections 6 and 7)."""

from __future__ import annotations

from typing import Any

from tests.oracle.account import AccountRow, Standing
from tests.oracle.facts import Facts
from tests.oracle.instants import DAY, HOUR, day
from tests.oracle.signals import SIGNALS

BANDS = ("insufficient_data", "red", "amber", "green")
INSUFFICIENT, RED, AMBER, GREEN = range(4)
HISTORY_DAYS = 100

Model = dict[str, Any]
SubScores = dict[str, int | None]


def tier(facts: Facts, model: Model) -> str:
    """The tier said, else that of the first rule that holds."""
    said = facts.row.attribute("tier")
    if said is not None:
        return str(said)
    for rule in model["tier_rules"]:
        if facts.mrr is not None and facts.mrr >= rule.get("min_mrr", float("inf")):
            return str(rule["tier"])
        if facts.seats >= rule.get("min_seats", float("inf")):
            return str(rule["tier"])
    return str(model.get("default_tier", "low_touch"))


def enabled(facts: Facts, now: int, model: Model, which: str) -> dict[str, int]:
    """Weights of the dimensions that count for this tier and age."""
    is_new = facts.age(now) < model["lifecycle"]["onboarding_days"]
    fits = {name: d for name, d in model["dimensions"].items() if d.get("onboarding", False) == is_new}
    weights = {name: d["weight"].get(which, 0) for name, d in fits.items()}
    return {name: weight for name, weight in weights.items() if weight > 0}


def sub_score(facts: Facts, now: int, dimension: dict[str, Any], which: str) -> int | None:
    """Weighted mean of the signals that are not missing."""
    told = [
        (o["weight"], SIGNALS[name](facts, now, o | {"tier": which}))
        for name, o in dimension["signals"].items()
    ]
    return mean([(weight, sub) for weight, sub in told if sub is not None])


def mean(weighted: list[tuple[int, int]]) -> int | None:
    """Weighted mean, rounded down; None without weight."""
    total = sum(weight for weight, _ in weighted)
    return sum(weight * value for weight, value in weighted) // total if total else None


def score_of(weights: dict[str, int], subs: SubScores) -> int | None:
    """The score over the dimensions that are not missing."""
    return mean([(weight, sub) for name, weight in weights.items() if (sub := subs[name]) is not None])


def evaluate(row: AccountRow, facts: Facts, now: int, model: Model) -> None:
    """Advance what the ticks decide about an account that is not ended, but for alerts."""
    standing, which = row.term.standing, tier(facts, model)
    weights = enabled(facts, now, model, which)
    standing.tier, standing.weights = which, weights
    subs = {name: sub_score(facts, now, model["dimensions"][name], which) for name in weights}
    standing.dimensions = dict.fromkeys(model["dimensions"]) | subs
    standing.score = score_of(weights, subs)
    seen = sum(weight for name, weight in weights.items() if subs[name] is not None)
    standing.coverage = 1000 * seen // sum(weights.values()) if weights else 0
    standing.last_sub = {name: sub for name, sub in standing.last_sub.items() if name in weights}
    standing.last_sub |= {name: sub for name, sub in subs.items() if sub is not None}
    guard = score_of(weights, {name: standing.last_sub.get(name) for name in weights})
    _move(standing, *_candidate(row, facts, now, model, guard), now, model)
    record(standing, now)


def _candidate(
    row: AccountRow, facts: Facts, now: int, model: Model, guard: int | None
) -> tuple[int, int | None]:
    """The band to go to, and the lowest ceiling, if any."""
    standing = row.term.standing
    candidate = INSUFFICIENT
    if standing.coverage >= model["minimum_coverage"] and standing.score is not None and guard is not None:
        candidate = by_score(standing.band, standing.score, min(standing.score, guard), model["bands"])
    lowest = min(ceilings(row, facts, now, model["ceilings"]), default=None)
    if lowest is not None and (candidate == INSUFFICIENT or candidate > lowest):
        candidate = lowest
    return candidate, lowest


def by_score(band: int, score: int, up: int, limits: dict[str, int]) -> int:
    """The band the score asks for, seen from the present one."""
    if up >= limits["green"]:
        return GREEN
    if band == GREEN and score >= limits["green_exit"]:
        return GREEN
    falls_below = {INSUFFICIENT: up < limits["red"], RED: up < limits["red_exit"]}
    return RED if falls_below.get(band, score < limits["red"]) else AMBER


def ceilings(row: AccountRow, facts: Facts, now: int, wanted: dict[str, Any]) -> list[int]:
    """The bands that facts do not let the account rise above."""
    holds = []
    if "churn_notice" in wanted and row.gave_notice:
        holds.append(BANDS.index(wanted["churn_notice"]))
    if "auto_renew_off" in wanted and row.attribute("auto_renew") is False:
        holds.append(BANDS.index(wanted["auto_renew_off"]))
    late, due = wanted.get("invoice_overdue"), facts.oldest_due
    if late and due is not None and due < now and now - due >= late["days"] * DAY:
        holds.append(BANDS.index(late["band"]))
    return holds


def _move(standing: Standing, candidate: int, ceiling: int | None, now: int, model: Model) -> None:
    if candidate == standing.band:
        standing.pending_band = standing.pending_since = None
        return
    if standing.pending_band != candidate:
        standing.pending_band, standing.pending_since = candidate, now
    since = now if standing.pending_since is None else standing.pending_since
    hold = model["bands"]["hold_hours"][BANDS[candidate]] * HOUR
    above = ceiling is not None and standing.band > ceiling
    if standing.band == INSUFFICIENT or (above and candidate == ceiling) or now - since >= hold:
        change_band(standing, candidate, now)
    elif above and ceiling is not None:
        change_band(standing, ceiling, now)
        standing.pending_band, standing.pending_since = candidate, since


def change_band(standing: Standing, band: int, now: int) -> None:
    """The band takes effect."""
    if band != standing.band:
        standing.previous_band, standing.band, standing.band_since = standing.band, band, now
    standing.pending_band = standing.pending_since = None


def due_time(standing: Standing, model: Model) -> int | None:
    """When a pending band takes effect; None if none is pending."""
    if standing.pending_band is None or standing.pending_since is None:
        return None
    return int(standing.pending_since + model["bands"]["hold_hours"][BANDS[standing.pending_band]] * HOUR)


def end(standing: Standing, now: int, model: Model) -> None:
    """What the ticks decide about an ended account."""
    standing.score, standing.coverage, standing.dimensions = None, 0, dict.fromkeys(model["dimensions"])
    change_band(standing, INSUFFICIENT, now)
    record(standing, now)


def record(standing: Standing, now: int) -> None:
    """Write the first score of a day into the history, hundredths of a point."""
    today = day(now)
    if today not in standing.history:
        kept = {d: s for d, s in standing.history.items() if d > today - HISTORY_DAYS}
        standing.history = kept | {today: _hundredths(standing)}


def velocity(standing: Standing, now: int, days: int) -> int | None:
    """Change over days in hundredths of a point; None if either end is missing."""
    then, today = standing.history.get(day(now) - days), _hundredths(standing)
    return None if then is None or today is None else today - then


def _hundredths(standing: Standing) -> int | None:
    return None if standing.score is None else standing.score // 10
