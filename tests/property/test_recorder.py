"""Score records are written column by column: what they say is what the columns and the evaluation say."""

from __future__ import annotations

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.evaluate import Evaluation, Scorer
from scoring.facts import Facts
from scoring.layout import BANDS, DIMENSIONS, ENDED, HISTORY_DAYS, MISSING, SEEN, TIERS
from scoring.model import default_model
from scoring.record import DimensionScore, decode_score
from scoring.recorder import Recorder
from scoring.state import Store
from scoring.times import DAY, HOUR, UNSET, iso, iso_column
from tests.property.scrambled import scrambled
from tests.property.strategies import END
from tests.stories import small_model

RECORDERS = [Recorder(Scorer(model)) for model in (default_model(), small_model({}))]
times = st.integers(0, 4_000_000_000_000) | st.integers(0, 4_000_000_000).map(lambda s: s * 1000)


def dimensions(e: Evaluation, recorder: Recorder, i: int) -> dict[str, DimensionScore]:
    """What a record has to say of the dimensions of one account, the plain way."""
    told = {}
    for slot, name in enumerate(DIMENSIONS):
        if e.sub[slot, i] != MISSING:
            signals = recorder.scorer.model.dimensions[name].signals
            points = {s: int(v) / 1000 for s in signals if (v := e.signals[s][i]) != MISSING}
            sub, part = int(e.sub[slot, i]) / 1000, int(e.contribution[slot, i]) / 1000
            told[name] = DimensionScore(sub, int(e.weight[slot, i]), part, points)
    return told


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(1, 30), which=st.integers(0, 1), share=st.floats(0.1, 1.0)
)
def test_records_say_what_was_evaluated(seed: int, n: int, which: int, share: float) -> None:
    """Every dimension, signal, time and number of a record is that of its own account, whichever others are written with it."""
    store, recorder, random = scrambled(n, seed), RECORDERS[which], np.random.default_rng(seed)
    store.hot["flags"][:n] |= np.where(random.random(n) < 0.2, ENDED, 0).astype(np.uint16)
    store.hot["last_seen"][:n] = np.where(random.random((n, 8)) < 0.3, UNSET, random.integers(0, END, (n, 8)))
    store.hot["history"][:n] = random.integers(-1, 10_000, (n, HISTORY_DAYS))
    store.hot["band"][:n], store.hot["version"][:n] = random.integers(0, 4, n), random.integers(1, 99, n)
    rows = np.arange(n)
    f = Facts(store, rows, END + HOUR)
    e = recorder.scorer.evaluate(f)
    at = np.flatnonzero(random.random(n) < share)
    written = recorder.records(store, rows, at, f, e)
    assert [key for key, _ in written] == [store.keys[i] for i in at.tolist()]
    for i, (_, value) in zip(at.tolist(), written, strict=True):
        record, ended = decode_score(value), bool(store.hot["flags"][i] & ENDED)
        assert record.dimensions == ({} if ended else dimensions(e, recorder, i))
        assert record.score == (None if ended or e.score[i] == MISSING else int(e.score[i]) / 1000)
        seen = dict(zip(SEEN, store.hot["last_seen"][i].tolist(), strict=False))
        assert record.last_seen == {name: iso(ts) for name, ts in seen.items() if ts != UNSET}
        assert record.deadline == expected_deadline(store, i, f.now, ended=ended)
        told = (record.velocity_7d, record.velocity_28d)
        assert told == tuple(expected_velocity(store, i, f.today - days, int(e.score[i])) for days in (7, 28))
        assert record.band == ("ended" if ended else BANDS[store.hot["band"][i]])
        assert (record.version, record.tier) == (store.hot["version"][i], TIERS[e.tier[i]])
        assert value == msgspec.json.Encoder(order="deterministic").encode(record)


def expected_velocity(store: Store, i: int, day: int, score: int) -> float | None:
    then = int(store.hot["history"][i, day % HISTORY_DAYS])
    return None if MISSING in (then, score) else (score // 10 - then) / 100


def expected_deadline(store: Store, i: int, now: int, *, ended: bool) -> str | None:
    renewal = int(store.hot["renewal"][i])
    return None if ended or now >= renewal else iso(int(store.hot["deadline"][i]))


@given(some=st.lists(times, min_size=1, max_size=20))
def test_a_column_of_times_reads_like_each(some: list[int]) -> None:
    """Times written as a column are the times written one by one."""
    assert iso_column(np.array(some, np.int64)) == [iso(ms) for ms in some]


def test_time_unknown_is_some_text() -> None:
    """A time that is not known stops nothing."""
    assert len(iso_column(np.array([UNSET, DAY], np.int64))) == 2


def test_points_beyond_a_hundred_are_shown() -> None:
    """A signal of somebody else that knows no bounds is shown as it is, and stops nothing."""
    store, recorder = scrambled(3, 1), RECORDERS[0]
    f = Facts(store, np.arange(3), END)
    e = recorder.scorer.evaluate(f)
    e.values[0] = 123_456_789
    for i, (_, value) in enumerate(recorder.records(store, np.arange(3), np.arange(3), f, e)):
        assert decode_score(value).dimensions == dimensions(e, recorder, i)
    assert b"123456.789" in value
