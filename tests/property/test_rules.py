"""Every rule: one account or many alike, off means off, what cannot be told does not hold, and nothing is too strange."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.model import Alert, decode_alert
from alerts.rules.base import EMPTY, Tick, Verdict
from alerts.rules.catalogue import FACTS, TICK_FACTS, all_rules, level_rules, tick_fact_rules
from scoring.evaluate import Scorer
from scoring.facts import Facts
from scoring.layout import DIMENSIONS, HISTORY_DAYS
from scoring.model import Model, default_model
from scoring.state import Store
from scoring.tail import Tail
from scoring.times import DAY, HOUR
from streams.context import make_context
from streams.pipeline import Partition
from tests.property.feeds import START, settle
from tests.property.fleets import fleet
from tests.property.strategies import END
from tests.property.test_evaluating import scrambled
from tests.stories import hand_over

OFFERS = {"offers": [{"uses": "export", "lacks": "api", "suggest": "the API pack"}]}
EAGER = {"support_cluster": {"tickets": 2}, "low_adoption": {"percent": 90, "min_age_days": 1}, "upsell": {"percent": 10},
         "coverage_lost": {"percent": 1}, "cross_sell": OFFERS, "advocate": {"days": 120}}  # fmt: skip
"""Options with which random columns make a rule hold now and then."""
BOTH_LIVE = {"usage": True, "engagement": True}
seeds = st.integers(0, 2**32 - 1)


def model_with(rules: dict[str, Any]) -> Model:
    """The default model with other options for some rules; None switches one off."""
    dumped = default_model().model_dump(exclude_unset=True)
    return Model.model_validate(dumped | {"rules": dumped["rules"] | rules})


MODEL = model_with(EAGER)
SCORER = Scorer(MODEL)
LEVELS = {rule.name: rule for rule in level_rules(MODEL)}


def strange(n: int, seed: int) -> Store:
    """Accounts with random but legal columns, those that rules look at too."""
    store, random = scrambled(n, seed), np.random.default_rng(seed + 1)
    hot, today = store.hot, END // DAY

    def times(shape: Any = n) -> np.ndarray:
        return np.where(
            random.random(shape) < 0.3, -1, random.integers(END - 200 * DAY, END + 150 * DAY, shape)
        )

    for name in (
        "declined_ts",
        "strategy_ts",
        "detractor_ts",
        "promoter_ts",
        "renewal",
        "deadline",
        "band_since",
    ):
        hot[name][:n] = times()
    hot["band"][:n], hot["open_complaints"][:n] = random.integers(0, 4, n), random.integers(0, 2, n)
    hot["survey_trend"][:n], hot["survey_ts"][:n] = random.integers(-40_000, 40_000, (n, 3)), times((n, 3))
    hot["last_active"][:n] = np.where(
        random.random((n, 2)) < 0.2, -1, random.integers(today - 130, today + 1, (n, 2))
    )
    hot["silence_days"][:n] = np.where(random.random((n, 2)) < 0.3, 0, random.integers(2, 90, (n, 2)))
    hot["history"][:n] = np.where(
        random.random((n, HISTORY_DAYS)) < 0.2, -1, random.integers(0, 10_001, (n, HISTORY_DAYS))
    )
    hot["seats"][:n] = random.integers(0, 1000, n)
    hot["features"][:n] = np.bitwise_and.reduce(random.integers(0, 2**63, (6, n, 6)), axis=0)
    hot["last_sub"][:n] = random.integers(-1, 100_001, (n, len(DIMENSIONS)))
    for row in np.flatnonzero(random.random(n) < 0.7).tolist():
        store.tails[row] = Tail(attributes={"renewal_date": (START, "2025-01-01")})
    return store


def tick_of(store: Store, rows: np.ndarray, now: int = END, live: dict[str, bool] = BOTH_LIVE) -> Tick:
    facts = Facts(store, rows, now)
    return Tick(store, rows, facts, SCORER.evaluate(facts), live)


def plain(verdict: Verdict, n: int) -> list[tuple[bool, bool, bool]]:
    """(holds, known, keeps) of each account."""
    known = np.ones(n, np.bool_) if verdict.known is None else verdict.known
    keeps = verdict.holds if verdict.keeps is None else verdict.keeps
    assert {part.dtype for part in (verdict.holds, known, keeps)} == {np.dtype(np.bool_)}
    return list(zip(verdict.holds.tolist(), known.tolist(), keeps.tolist(), strict=True))


@settings(max_examples=25, deadline=None)
@given(seed=seeds, n=st.integers(1, 12), hours=st.integers(0, 30))
def test_one_equals_many(seed, n, hours):
    """What a rule says of an account does not depend on whom else it is asked about; no arithmetic goes wrong."""
    store, now = strange(n, seed), END + hours * HOUR
    store.roll(now // DAY)
    together = tick_of(store, np.arange(n), now)
    single = [tick_of(store, np.array([i]), now) for i in range(n)]
    with np.errstate(all="raise"):
        for name, rule in LEVELS.items():
            alone = [plain(rule.verdict(tick), 1)[0] for tick in single]
            assert plain(rule.verdict(together), n) == alone, name


@settings(max_examples=40, deadline=None)
@given(seed=seeds, live=st.booleans())
def test_what_cannot_be_told(seed, live):
    """What cannot be told does not hold, what holds would keep firing, and evidence can be given wherever either is so."""
    store = strange(30, seed)
    tick = tick_of(store, np.arange(30), live={"usage": live, "engagement": live})
    for name, rule in LEVELS.items():
        for i, (holds, known, keeps) in enumerate(plain(rule.verdict(tick), 30)):
            assert known or not holds, name
            assert keeps or not holds, name
            if keeps and known:
                assert all(e.text for e in rule.evidence(tick, i)), name


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_rungs(seed):
    """The rung that stands is never over at the same tick, is told of unhealthy accounts only, and lies ahead of the renewal."""
    store = strange(40, seed)
    [rule] = tick_fact_rules(MODEL)
    items = dict(rule.items(tick_of(store, np.arange(40))))
    for i, item in items.items():
        assert not rule.over(store, i, item, END, END)
        assert store.hot["band"][i] in (1, 2)
        assert store.hot["renewal"][i] > END
    for i in set(range(40)) - set(items):
        assert rule.over(store, i, "2025-01-01/30", END, END)


def test_every_rule_holds_sometimes():
    """The random accounts of this page are no idle talk: every level rule holds for some and not for others."""
    held: Counter[str] = Counter()
    for seed in range(10):
        tick = tick_of(strange(200, seed), np.arange(200))
        held.update({name: int(rule.verdict(tick).holds.sum()) for name, rule in LEVELS.items()})
    assert {name: count for name, count in held.items() if not 0 < count < 2000} == {}


def test_an_account_of_which_nothing_is_known():
    """An account without any event gives no rule a reason to fire."""
    store = Store()
    store.roll(END // DAY)
    store.row(b"nobody")
    for rule in LEVELS.values():
        holds, _, _ = rule.verdict(tick_of(store, np.array([0])))
        assert not holds.any(), rule.name
    assert store.tails.get(0, EMPTY) is EMPTY


DAYS = 60


@cache
def told(*off: str) -> dict[str, list[Alert]]:
    """Rule to the alerts of a small fleet, with some rules switched off."""
    partition = Partition(0, make_context(model_with(EAGER | dict.fromkeys(off)), tick_ms=DAY, grace_ms=0))
    hand_over(partition, fleet(7, 6, DAYS))
    settle(partition, START + DAYS * DAY)
    out = defaultdict(list)
    for _, value in partition.drain_alerts():
        alert = decode_alert(value)
        out[alert.rule].append(alert)
    return out


@pytest.mark.parametrize("option", list(type(MODEL.rules).model_fields))
def test_switched_off(option):
    """A rule that is switched off never fires, and no other rule says anything else because of it."""
    without, everything = told(option), told()
    gone = {rule for rule in everything if rule == option or rule.startswith(f"{option}_")}
    assert not gone & without.keys()
    for rule in everything.keys() - gone:
        assert [(a.account_id, a.phase, a.at, a.evidence) for a in without[rule]] == [
            (a.account_id, a.phase, a.at, a.evidence) for a in everything[rule]
        ]


def test_the_fleet_makes_rules_fire():
    """The fleet above is no idle talk either: most rules fire in it, facts of events and of the clock among them."""
    silent = {rule.name for rule in all_rules(MODEL)} - told().keys()
    print("silent:", silent)
    assert len(silent) <= 8
    assert {*FACTS, *TICK_FACTS} - silent
