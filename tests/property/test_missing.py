"""Evidence that goes missing: coverage says so by the weight of what is gone, and no band improves because of it."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.bands import advance_bands
from scoring.evaluate import Evaluation, combine
from scoring.facts import Facts
from scoring.layout import DIMENSIONS, MISSING
from scoring.model import Model, default_model
from scoring.state import Store
from scoring.times import DAY, HOUR
from streams.context import make_context
from streams.pipeline import Partition
from streams.replay import SOURCE_OF
from tests.property.feeds import OWN_OF_THE_ENGINE, START, settle
from tests.property.fleets import fleet, newcomers
from tests.stories import hand_over

FEEDS = {
    "usage": {"product_usage"},
    "tickets": {"support"},
    "invoices": {"invoice_history"},
    "surveys": {"sentiment"},
    "accounts": {"contract_growth"},
    "engagement": {"executive_relationships", "csm_activity", "self_sufficiency", "marketing_engagement", "community", "goals"},
}  # fmt: skip
"""Source to the dimensions of grown accounts that have no evidence without it."""
SOURCES = list(FEEDS)
DAYS, ACCOUNTS, NEWCOMERS = 50, 16, 12
NAMES = [f"a{n:02d}" for n in range(ACCOUNTS)] + [f"n{n:02d}" for n in range(NEWCOMERS)]
ONBOARDING = ["engagement", "usage"]
"""What the newcomers tell their onboarding by, in turn: the one dimension that counts for them."""
END = START + DAYS * DAY
GREEN = 3


@cache
def at_once() -> Model:
    """The default model with bands that turn at once: a wrong improvement must not hide behind a hold."""
    dumped = default_model().model_dump(exclude_unset=True)
    return Model.model_validate(
        dumped | {"bands": dumped["bands"] | {"hold_hours": {}}, "minimum_coverage": 0}
    )


def lived(seed: int, without: str | None = None) -> Partition:
    """A partition that lived through a fleet, told everything or everything but one source."""
    events = fleet(seed, ACCOUNTS, DAYS) + newcomers(seed, NEWCOMERS, DAYS - 20)
    told = [e for e in events if without is None or SOURCES[SOURCE_OF[e["type"]]] != without]
    partition = Partition(0, make_context(at_once(), tick_ms=DAY, grace_ms=0))
    hand_over(partition, told)
    settle(partition, END)
    return partition


class After(NamedTuple):
    """Where a tick left the accounts: band, score and coverage, and what the score was made of."""

    band: np.ndarray
    score: np.ndarray
    coverage: np.ndarray
    evaluation: Evaluation


def next_tick(partition: Partition) -> After:
    """Evaluate every account once more, an hour later."""
    store, scorer = partition.store, partition.context.scorer
    rows = np.array([store.index[name.encode()] for name in NAMES])
    facts = Facts(store, rows, END + HOUR)
    evaluation = scorer.evaluate(facts)
    advance_bands(store, rows, facts, evaluation, scorer.model)
    return After(store.hot["band"][rows], evaluation.score, evaluation.coverage, evaluation)


def take_over(from_: Store, to: Store) -> None:
    """What the engine decided so far, as if it had been decided on the other store's evidence."""
    for key, row in from_.index.items():
        for name in OWN_OF_THE_ENGINE - {"fence", "recent_ids", "id_count", "day", "alerts"}:
            to.hot[name][to.index[key]] = from_.hot[name][row]


def without_evidence(source: str) -> np.ndarray:
    """Dimension by account: whether it has no evidence without the source."""
    grown = [[name in FEEDS[source]] * ACCOUNTS for name in DIMENSIONS]
    young = [ONBOARDING[n % 2] == source for n in range(NEWCOMERS)]
    return np.array(
        [g + [name == "onboarding" and y for y in young] for name, g in zip(DIMENSIONS, grown, strict=True)]
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_source_goes_missing(seed):
    """Each source in turn is taken from a fleet, young and old, that had all: no band improves, coverage falls by the weight of the source."""
    print("seed", seed)
    whole = lived(seed)
    before = next_tick(whole)
    weight, sub = before.evaluation.weight, before.evaluation.sub
    assert set(before.band[ACCOUNTS:]) == {1, 2, 3}, "the newcomers are in every band"
    seen, total = np.where(sub == MISSING, 0, weight), weight.sum(axis=0)
    bettered = 0
    for source in FEEDS:
        bereft = lived(seed, without=source)
        take_over(whole.store, bereft.store)
        after = next_tick(bereft)
        assert (after.band <= before.band).all(), source
        gone = (seen * without_evidence(source)).sum(axis=0)
        assert (gone[:ACCOUNTS] > 0).all(), source
        assert (gone[ACCOUNTS:] > 0).sum() == (NEWCOMERS // 2 if source in ONBOARDING else 0)
        assert (after.coverage == 1000 * (seen.sum(axis=0) - gone) // total).all(), source
        bettered += int(((after.score >= at_once().bands.green) & (before.band < GREEN)).sum())
    assert bettered > 0, "in this fleet no score rose into green: the test could not fail"


def test_every_dimension_loses_its_source():
    """The sources above stand behind every dimension there is."""
    assert set().union(*FEEDS.values()) | {"onboarding"} == set(DIMENSIONS)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_evidence_goes_missing(seed):
    """Whatever dimensions lose their evidence at whatever bands and scores: no band improves, and one that returns as it was changes nothing."""
    random, n = np.random.default_rng(seed), 40
    store, model = Store(), at_once()
    store.roll(END // DAY)
    for i in range(n):
        store.row(str(i).encode())
    rows = np.arange(n)
    sub = random.integers(0, 100_001, (len(DIMENSIONS), n))
    weight = random.integers(0, 30, (len(DIMENSIONS), n)) + 1
    decide(store, rows, sub, weight, model)
    band = store.hot["band"][:n].copy()
    decide(store, rows, np.where(random.random(sub.shape) < 0.5, MISSING, sub), weight, model)
    assert (store.hot["band"][:n] <= band).all()
    decide(store, rows, sub, weight, model)
    assert (store.hot["band"][:n] <= band).all()


def decide(store: Store, rows: np.ndarray, sub: np.ndarray, weight: np.ndarray, model: Model) -> None:
    score, coverage = combine(sub, weight)
    nothing = np.zeros_like(score)
    advance_bands(
        store,
        rows,
        Facts(store, rows, END),
        Evaluation(sub, weight, score, coverage, sub, nothing, sub[:0], {}),
        model,
    )
