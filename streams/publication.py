"""Which scores are worth a record: moved by half a point, band or coverage changed, else once a day."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.evaluate import Evaluation
from scoring.facts import Facts
from scoring.layout import ENDED
from scoring.recorder import Recorder
from scoring.rescore import Cause, rescore
from scoring.row import Pair
from scoring.state import LOOK, ROW, SCORE, Store
from scoring.times import DAY, UNSET, Int64

THRESHOLD: Final = 500
"""Thousandths of a point."""
_ENDED_BAND: Final = 100
"""What `pub_band` holds once the end of an account was published."""


def worth_telling(f: Facts, e: Evaluation, band: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Which accounts, of which the facts hold what was published last, have a score to publish."""
    published = f.hot
    return np.asarray(
        (np.abs(e.score - published["pub_score"]) >= THRESHOLD)
        | (band != published["pub_band"])
        | (e.coverage != published["pub_coverage"])
        | (published["pub_day"] < f.today)
    )


def publish(store: Store, rows: Int64, recorder: Recorder, as_of: int) -> list[Pair]:
    """Look at these accounts as of the last tick.

    Records of those that moved, marked as published (so their rows are dirty).
    """
    store.mark[rows] &= ~np.uint8(LOOK)
    rows = rows[store.hot["first_ts"][rows] != UNSET]
    ended = store.hot["flags"][rows] & ENDED != 0
    out = _publish_ended(store, rows[ended], recorder, as_of)
    live = rows[~ended]
    tick = store.hot["tick"][live]
    stands = np.where((store.mark[live] & SCORE != 0) | (tick == UNSET), np.maximum(as_of, tick), tick)
    for day in np.unique(stands // DAY).tolist():
        of_day = stands // DAY == day
        out += _publish_live(store, live[of_day], recorder, stands[of_day])
    return out


def _publish_live(store: Store, rows: Int64, recorder: Recorder, as_of: Int64) -> list[Pair]:
    """Those whose scores stand at ticks of one day."""
    f, e = rescore(store, rows, recorder.scorer, as_of, Cause.EVENTS)
    hot = store.hot
    at = np.flatnonzero(worth_telling(f, e, f.hot["band"]))
    some = rows[at]
    hot["version"][some] += 1
    records = recorder.records(store, rows, at, f, e)
    for name in ("score", "coverage", "band", "contribution"):
        hot[f"pub_{name}"][some] = hot[name][some]
    hot["event_part"][some] = 0
    hot["pub_day"][some] = f.today
    store.mark[some] |= ROW
    return records


def _publish_ended(store: Store, rows: Int64, recorder: Recorder, as_of: int) -> list[Pair]:
    rows = rows[store.hot["pub_band"][rows] != _ENDED_BAND]
    if not len(rows):
        return []
    store.hot["version"][rows] += 1
    store.hot["pub_band"][rows] = _ENDED_BAND
    store.mark[rows] |= ROW
    f, e = rescore(store, rows, recorder.scorer, as_of, Cause.CLOCK)
    store.hot["score"][rows] = -1
    store.hot["coverage"][rows] = 0
    return recorder.records(store, rows, np.arange(len(rows)), f, e)
