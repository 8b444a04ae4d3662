"""Evaluating: one account or many alike, contributions that add up, and rows that survive any journey through the changelog."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.evaluate import Evaluation, Scorer
from scoring.facts import FEW, Facts
from scoring.layout import HOT, MATRICES, MISSING, D
from scoring.model import default_model
from scoring.row import encode_rows, restore_rows
from scoring.state import Store
from scoring.times import DAY, HOUR
from tests.property.feeds import folded, tell
from tests.property.scrambled import scrambled
from tests.property.strategies import END, living

SCORER = Scorer(default_model())
EVERYTHING = frozenset({"pad", "marks"})
told = st.lists(living, min_size=1, max_size=40)
seeds = st.integers(0, 2**32 - 1)


def evaluated(store: Store, rows: np.ndarray, now: int) -> Evaluation:
    return SCORER.evaluate(Facts(store, rows, now))


@settings(max_examples=30, deadline=None)
@given(
    seed=seeds,
    n=st.integers(1, 40) | st.just(FEW + 1),
    times=st.sampled_from([1, FEW + 1]),
    hours=st.integers(0, 30),
)
def test_one_equals_many(seed, n, times, hours):
    """Scoring an account alone gives bit for bit what scoring it among others gives: score, coverage, every signal."""
    store, now = scrambled(n, seed), END + hours * HOUR
    store.roll(now // DAY)
    many = evaluated(store, np.tile(np.arange(n), times), now)  # neighbours, or not; few, or many
    for i in range(n):
        one = evaluated(store, np.array([i]), now)
        for whole, single in zip(many[:-1], one[:-1], strict=True):
            assert (whole[..., i::n] == single).all()
        assert many.signals.keys() == one.signals.keys()
        assert all((many.signals[k][i::n] == v).all() for k, v in one.signals.items())


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_the_tier_of_one_account(seed):
    """Alerts are told the tier that the account was scored for: by what it said, its revenue and its seats."""
    store, random = scrambled(50, seed), np.random.default_rng(seed)
    store.hot["seats"][:50] = random.integers(-1, 500, 50)
    facts = Facts(store, np.arange(50), END)
    known = [c.tolist() for c in (store.hot["tier"][:50], facts.mrr, store.hot["seats"][:50])]
    assert [SCORER.tier_of(*account) for account in zip(*known, strict=True)] == SCORER.evaluate(
        facts
    ).tier.tolist()


@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_parts_sum_to_the_score(seed):
    """Contributions sum to the score exactly, every sub-score lies in 0..100, and without evidence there is no score."""
    e = evaluated(scrambled(50, seed), np.arange(50), END)
    seen = e.score != MISSING
    assert (e.contribution.sum(axis=0)[seen] == e.score[seen]).all()
    assert ((e.score[seen] >= 0) & (e.score[seen] <= 100_000)).all()
    assert (e.sub[e.sub != MISSING] >= 0).all()
    assert (e.sub <= 100_000).all()
    assert (seen == (e.coverage > 0)).all()
    assert e.sub.shape == (D, 50)


@settings(max_examples=25, deadline=None)
@given(events=told)
def test_row_round_trip(events):
    """Encoding a row and restoring it gives back every column, ring and tail."""
    store = tell(events, END).store
    again = Store()
    restore_rows(again, encode_rows(store, np.arange(store.n)))
    assert folded(again, without=EVERYTHING) == folded(store, without=EVERYTHING)
    assert (again.hot["marks"][: again.n] == store.mark[: store.n] & 14).all()


@settings(max_examples=60, deadline=None)
@given(seed=seeds, days=st.lists(st.integers(0, 400), min_size=1, max_size=4))
def test_rows_of_different_days(seed, days):
    """Rows that were written on different days stand, once restored together, where rolling them in memory would have put them."""
    n = len(days) * 3
    store, changelog = scrambled(n, seed), []
    for group, day in enumerate(np.cumsum(days).tolist()):
        store.roll(END // DAY + day)
        changelog += encode_rows(store, np.arange(group * 3, group * 3 + 3))
    again = Store()
    restore_rows(again, changelog)
    for name in HOT.names or ():
        if name not in EVERYTHING:
            assert (again.hot[name][:n] == store.hot[name][:n]).all(), name
    for matrix in MATRICES:
        assert (again.rings[matrix][:n] == store.rings[matrix][:n]).all(), matrix


@settings(max_examples=60, deadline=None)
@given(seed=seeds, steps=st.lists(st.integers(0, 200), min_size=1, max_size=6))
def test_rolling_in_steps(seed, steps):
    """Rolling day by day, in jumps or all at once opens the same buckets."""
    jumps, once = scrambled(4, seed), scrambled(4, seed)
    for day in np.cumsum(steps).tolist():
        jumps.roll(END // DAY + day)
    once.roll(END // DAY + sum(steps))
    assert (jumps.hot[:4] == once.hot[:4]).all()
    assert all((jumps.rings[m][:4] == once.rings[m][:4]).all() for m in MATRICES)
