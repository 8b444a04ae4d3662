"""The random histories reach what they are meant to reach, and a comparison names what differs."""

from __future__ import annotations

from functools import cache

import pytest

from tests.oracle.compare import differences
from tests.oracle.conditions import CONDITIONS
from tests.oracle.histories import scenario
from tests.oracle.items import FACT_RULES
from tests.oracle.reference import Outcome, run
from tests.oracle.renewals import RULE as RENEWAL

SEEDS = 60


@cache
def outcomes() -> list[Outcome]:
    """What the reference says of the first histories, each under its own model."""
    drawn = [scenario(seed) for seed in range(SEEDS)]
    return [run(s.records, model=s.model, tick=s.tick, grace=s.grace, until=s.until) for s in drawn]


def test_random_histories_hold_everything() -> None:
    """They reach every reject, fate, band and a third term; drawn again they are the same."""
    seen: set[str] = set()
    for out in outcomes():
        seen |= {*out.dead, *(fate for _, fate in out.fates), *(line.band for line in out.ticks)}
        seen |= {f"term {min(account['term'], 2)}" for account in out.accounts.values()}
    assert scenario(7) == scenario(7)
    rejects = {"missing_key", "too_large", "malformed", "unknown_type", "unknown_action", "invalid"}
    rejects |= {"bad_timestamp", "out_of_range", "key_mismatch", "future"}
    bands = {"insufficient_data", "red", "amber", "green", "ended"}
    assert seen == rejects | bands | {"late", "duplicate", "applied", "term 0", "term 1", "term 2"}


@pytest.mark.parametrize("rule", [*CONDITIONS, *FACT_RULES, RENEWAL])
def test_every_rule_fires_and_resolves(rule: str) -> None:
    """Some history makes it fire and some makes it resolve while the account goes on."""
    told = {(a["phase"], a["band"] == "ended") for out in outcomes() for a in out.alerts if a["rule"] == rule}
    assert {("firing", False), ("resolved", False)} <= told


def test_level_alerts_are_told_again() -> None:
    """Some alert reaches its second revision, and resolves with the revision it had reached."""
    revisions = {(a["phase"], a["revision"]) for out in outcomes() for a in out.alerts}
    assert {("firing", 0), ("firing", 1), ("firing", 2), ("resolved", 0), ("resolved", 1)} <= revisions


@pytest.mark.parametrize(
    "column",
    [
        "outreach", "replies", "senior_replies", "help", "marketing", "community", "engaged", "contact_map",
        "two_way_ts", "sponsors", "sponsor_ts", "contact_ts", "last_active", "last_engaged", "last_value_ts",
        "onboarded_ts", "onboarding_due", "goal", "goal_due", "declined_ts", "strategy_ts", "renewal", "deadline",
        "override", "ranking", "detractor_ts", "promoter_ts", "trends", "open_complaints", "limits", "levels",
    ],
)  # fmt: skip
def test_every_column_is_reached(column: str) -> None:
    """At least one account in twenty ends with something in it."""
    accounts = [account for out in outcomes() for account in out.accounts.values()]
    assert sum(bool(account[column]) for account in accounts) * 20 >= len(accounts)


def test_differences_are_told_by_path() -> None:
    """Keys compare as text, tuples as lists; every differing value is one line."""
    expected = {"a": {"usage": {1: 5, 2: 6}, "times": (1, 2), "band": "red"}, "b": {}}
    same = {"a": {"usage": {"1": 5, "2": 6}, "times": [1, 2], "band": "red"}, "b": {}}
    other = {"a": {"usage": {1: 5, 2: 7}, "times": (1,), "band": "red", "score": None}}
    assert differences(expected, same) == []
    assert differences(expected, other) == [
        "a.score: expected 'nothing', got None",
        "a.times#1: expected 2, got 'nothing'",
        "a.usage[2]: expected 6, got 7",
        "b: expected {}, got 'nothing'",
    ]
