"""Random models for random histories: thresholds near what the history holds, rules on and off."""

from __future__ import annotations

import copy
from pathlib import Path
from random import Random
from typing import Any

import yaml

DEFAULT_MODEL: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "scoring" / "models" / "default.yaml").read_text("utf-8")
)
TIERS = ("high_touch", "low_touch", "tech_touch")
BAND_NAMES = ("red", "amber", "green")
LONGEST_HOURS = 720


def random_model(random: Random, days: int) -> dict[str, Any]:
    """The default model, or one that differs from it in everything but its curves."""
    model = copy.deepcopy(DEFAULT_MODEL)
    if random.random() < 0.1:
        return model
    model["minimum_coverage"] = random.choice((0, 0, 100, 250, 400))
    model["default_tier"] = random.choice(TIERS)
    model["lifecycle"]["onboarding_days"] = random.choice((0, 0, 1, days // 3, 30))
    model["liveness_hours"] = min(random.choice((12, 6 * days, 12 * days)), LONGEST_HOURS)
    model["bands"] = _bands(random)
    model["ceilings"] = _ceilings(random, days)
    model["dimensions"] = _dimensions(random, model["dimensions"])
    model["rules"] = {n: o for n, o in random_rules(random, days).items() if random.random() < 0.75}
    return model


def _bands(random: Random) -> dict[str, Any]:
    red, green = random.choice((30_000, 40_000)), random.choice((50_000, 60_000, 70_000))
    holds = {band: random.choice((0, 0, 5, 24)) for band in ("insufficient_data", *BAND_NAMES)}
    exits = {"red_exit": red + 5_000, "green_exit": green - 5_000}
    return {"red": red, "green": green, **exits, "hold_hours": holds}


def _ceilings(random: Random, days: int) -> dict[str, Any]:
    overdue = {"band": random.choice(BAND_NAMES), "days": _near(random, days)}
    all_three = {"churn_notice": "red", "auto_renew_off": "amber", "invoice_overdue": overdue}
    return {name: value for name, value in all_three.items() if random.random() < 0.5}


def _dimensions(random: Random, dimensions: dict[str, Any]) -> dict[str, Any]:
    """Some of the dimensions, other weights and windows."""
    few = random.random() < 0.5
    kept = [name for name in dimensions if random.random() < (0.4 if few else 0.8)] or ["sentiment"]
    if random.random() < 0.6 and "sentiment" not in kept:
        kept.append("sentiment")
    for name in kept:
        dimensions[name]["weight"] = {tier: random.choice((0, 1, 10, 30)) for tier in TIERS}
        for signal in dimensions[name]["signals"].values():
            _retune(random, signal)
    return {name: dimensions[name] for name in kept}


def _retune(random: Random, signal: dict[str, Any]) -> None:
    choices: dict[str, tuple[int, ...]] = {
        "window_weeks": (1, 2, 13, 14),
        "window_days": (2, 7, 30, 90),
        "half_life_days": (1, 10, 90),
        "min_age_days": (0, 14, 90),
    }
    for option, values in choices.items():
        if option in signal:
            signal[option] = random.choice(values)
    if "days_per_tier" in signal:
        signal["days_per_tier"] = _per_tier(random, 30)


def _near(random: Random, days: int) -> int:
    """A number of days that a history of so many days can reach."""
    return random.randint(1, max(1, days // 5))


def _per_tier(random: Random, most: int) -> dict[str, int]:
    return {tier: random.randint(1, max(1, most)) for tier in TIERS}


def random_rules(random: Random, days: int) -> dict[str, Any]:
    """Every rule, its options drawn to fit a history of so many days."""
    bands = [band for band in BAND_NAMES if random.random() < 0.6] or ["red"]
    offers = [
        {"uses": "feature-0", "lacks": random.choice(("feature-89", "feature-1")), "suggest": "more"},
        {"uses": "feature-7", "lacks": "feature-0", "suggest": "less"},
    ]
    rungs = sorted({random.choice((1, 2, 5, 14, 30, 60, days)) for _ in range(4)}, reverse=True)
    rules: dict[str, Any] = {
        "band_entered": {"bands": bands},
        "rapid_drop": {"week_points": random.randint(1, 15), "month_points": random.randint(1, 20)},
        "silence": _silence(random),
        "urgent_ticket_ageing": {"hours_per_tier": _per_tier(random, 3 * days)},
        "support_cluster": _cluster(random),
        "detractor": {"days": _near(random, days)},
        "falling_sentiment": {"points": random.randint(1, 40), "days": 2 * _near(random, days)},
        "invoice_overdue": {"days": _near(random, days)},
        "no_two_way_contact": {"days_per_tier": _per_tier(random, days // 4)},
        "onboarding_overdue": {"days_per_tier": _per_tier(random, days // 4)},
        "no_value": {"days": _near(random, days)},
        "stalled_implementation": {"days": _near(random, days)},
        "low_adoption": {"percent": random.randint(5, 100), "min_age_days": random.choice((0, 2))},
        "feature_declined": {"days": _near(random, days)},
        "strategy_change": {"days": _near(random, days)},
        "coverage_lost": {"percent": random.choice((1, 5, 20, 25, 50))},
        "upsell": {"percent": random.choice((5, 50, 100))},
        "cross_sell": {"offers": offers},
        "advocate": {"days": 3 * _near(random, days)},
        "complaint": {},
        "payment_failure": {"attempts": random.randint(1, 4)},
        "sponsor_departed": {},
        "churn_notice": {},
        "auto_renew_off": {},
        "renewal_approaching": {"rungs": rungs, "bands": bands},
    }
    for name, options in rules.items():
        if random.random() < 0.8:
            options["severity"] = random.choice(("info", "warning", "critical"))
        if name != "silence" and random.random() < 0.25:
            options["hold_hours"] = random.choice((1, 6, 24))
    return rules


def _silence(random: Random) -> dict[str, Any]:
    sources = random.choice((["usage"], ["engagement"], ["usage", "engagement"], ["usage", "engagement"]))
    hold = {} if random.random() < 0.5 else {"hold_hours": random.choice((0, 5, 24, 48))}
    return {"sources": sources, "factor": random.randint(1, 4), "minimum_gaps": random.randint(1, 6), **hold}


def _cluster(random: Random) -> dict[str, Any]:
    window = random.choice((1, 3, 7, 28))
    return {"tickets": random.randint(1, 5), "window_days": window, "factor": random.randint(1, 5)}
