"""Bands: hysteresis, holds, ceilings, and that missing evidence never makes a band better."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.bands import AMBER, GREEN, INSUFFICIENT, RED, advance_bands, keep_history, velocity
from scoring.evaluate import Evaluation, combine, contributions
from scoring.facts import Facts
from scoring.layout import MISSING, D
from scoring.model import Bands, Ceilings, Model, OverdueCeiling
from scoring.state import Store
from scoring.times import DAY, HOUR, UNSET
from tests.property.feeds import START

WEIGHTS = (30, 12, 12, 12)
NO_HOLD = Model(name="t", dimensions={}, bands=Bands(hold_hours={}))
HELD = Model(
    name="t",
    dimensions={},
    bands=Bands(hold_hours={"red": 12, "amber": 24, "green": 24, "insufficient_data": 24}),
)
subs = st.lists(st.integers(0, 100_000), min_size=4, max_size=4)


class One:
    """One account whose dimensions are given by hand, tick by tick."""

    def __init__(self, model: Model = NO_HOLD) -> None:
        self.store, self.model, self.now = Store(), model, START
        self.rows = np.array([self.store.row(b"acme")])

    def tick(self, *sub: int, hours: int = 1) -> int:
        """Let time pass and decide the band; a sub-score may be MISSING."""
        self.now += hours * HOUR
        weight = np.zeros((D, 1), np.int64)
        weight[: len(sub), 0] = WEIGHTS[: len(sub)]
        column = np.full((D, 1), MISSING, np.int64)
        column[: len(sub), 0] = sub
        score, coverage = combine(column, weight)
        parts, tier, signals = contributions(column, weight, score), np.zeros(1, np.int64), column[:0]
        e = Evaluation(column, weight, score, coverage, parts, tier, signals, {})
        advance_bands(self.store, self.rows, Facts(self.store, self.rows, self.now), e, self.model)
        return self.band

    @property
    def band(self) -> int:
        return int(self.store.hot["band"][0])

    def set(self, **columns: int) -> None:
        for name, value in columns.items():
            self.store.hot[name][0] = value


@pytest.mark.parametrize("model", [NO_HOLD, HELD], ids=["no hold", "default holds"])
@settings(max_examples=30, deadline=None)
@given(
    start=st.sampled_from([50_000, 90_000]),
    scores=st.lists(st.integers(68_000, 72_000), min_size=100, max_size=100),
)
def test_oscillation(model, start, scores):
    """A score that swings between 68 and 72 for 100 ticks changes the band at most once."""
    account = One(model)
    told = [account.tick(start), *(account.tick(score) for score in scores)]
    assert sum(a != b for a, b in itertools.pairwise(told)) <= 1


@pytest.mark.parametrize(
    ("before", "score", "after"),
    [(90_000, 65_000, GREEN), (90_000, 64_999, AMBER), (90_000, 39_999, RED), (50_000, 40_000, AMBER), (50_000, 39_999, RED),
     (50_000, 69_999, AMBER), (50_000, 70_000, GREEN), (10_000, 44_999, RED), (10_000, 45_000, AMBER), (10_000, 70_000, GREEN)],
)  # fmt: skip
def test_thresholds(before, score, after):
    """Bands are entered at 40 and 70 and left at 45 and 65."""
    account = One()
    account.tick(before)
    assert account.tick(score) == after


def test_hold():
    """A change waits for its hold, an interruption starts it anew, and the due time is known while it waits."""
    account = One(HELD)
    account.tick(90_000)
    assert account.tick(10_000) == GREEN
    assert account.store.hot["due"][0] == account.now + 12 * HOUR
    assert account.tick(10_000, hours=11) == GREEN
    assert account.tick(80_000) == GREEN
    assert account.store.hot["due"][0] == UNSET
    assert account.tick(10_000) == GREEN
    assert account.tick(10_000, hours=12) == RED
    assert account.store.hot["previous_band"][0] == GREEN
    assert account.store.hot["band_since"][0] == account.now


CEILINGS = Ceilings(
    churn_notice="red", auto_renew_off="amber", invoice_overdue=OverdueCeiling(band="amber", days=60)
)


@pytest.mark.parametrize(
    ("fact", "revoked", "band"),
    [
        ({"churn_notice_ts": START}, {"auto_renew_on_ts": START}, RED),
        ({"churn_notice_ts": START}, {"started_ts": START}, RED),
        ({"auto_renew": 0}, {"auto_renew": 1}, AMBER),
        ({"oldest_due": START - 60 * DAY}, {"oldest_due": START}, AMBER),
    ],
)
def test_ceilings(fact, revoked, band):
    """A fact caps the band at once, whatever the hold; once it is revoked the band comes back after its hold, no sooner."""
    account = One(HELD.model_copy(update={"ceilings": CEILINGS}))
    assert account.tick(90_000) == GREEN
    account.set(**fact)
    assert account.tick(90_000) == band
    assert account.tick(90_000, hours=100) == band
    account.set(**revoked)
    assert account.tick(90_000) == band
    assert account.tick(90_000, hours=24) == GREEN


def test_ceiling_beats_a_worse_pending_band():
    """A band above the ceiling falls to the ceiling now while a still lower band waits for its hold."""
    account = One(HELD.model_copy(update={"ceilings": CEILINGS}))
    account.tick(90_000)
    account.set(auto_renew=0)
    assert account.tick(10_000) == AMBER
    assert account.tick(10_000, hours=12) == RED


@settings(max_examples=300)
@given(before=subs, now=subs, gone=st.sets(st.integers(0, 3), min_size=1))
def test_missing_evidence_never_improves(before, now, gone):
    """Taking sources away never lifts a band above where it was, or above where it would be had they stayed as last seen."""
    kept, lost = One(), One()
    start = kept.tick(*before), lost.tick(*before)
    last = [b if i in gone else n for i, (b, n) in enumerate(zip(before, now, strict=True))]
    assert start[0] == start[1]
    with_evidence = kept.tick(*last)
    without = lost.tick(*(MISSING if i in gone else n for i, n in enumerate(now)))
    assert without <= max(start[0], with_evidence)


@given(low=st.integers(0, 39_999), others=st.integers(70_000, 100_000))
def test_no_detour_through_insufficient_data(low, others):
    """A red account that lost first most and then only its worst evidence comes back red, not green."""
    account = One()
    assert account.tick(low, low, low, low) == RED
    assert account.tick(MISSING, MISSING, MISSING, others) == INSUFFICIENT
    guard = (30 * low + 36 * others) // 66
    after = account.tick(MISSING, others, others, others)
    assert after == (RED if guard < 40_000 else GREEN if guard >= 70_000 else AMBER)


def test_history_and_velocity():
    """Velocity is the difference to the first score of that day, and missing where the account was not evaluated then."""
    store = Store()
    rows = np.array([store.row(b"acme")])
    for day, score in [(0, 50_000), (7, 56_780), (8, 60_000)]:
        now = START + day * DAY
        keep_history(store, rows, Facts(store, rows, now), np.array([score]))
        store.hot["tick"][0] = now
    now = START + 8 * DAY
    assert velocity(store, rows, now, np.array([60_009]), 8) == [1000]
    assert velocity(store, rows, now, np.array([60_009]), 1) == [322]
    assert velocity(store, rows, now, np.array([60_009]), 7) == [None]
    assert velocity(store, rows, now, np.array([MISSING]), 8) == [None]
