"""Writing an evaluation into the columns, and keeping apart what events moved and what the clock moved."""

from __future__ import annotations

from enum import Enum

import numpy as np

from scoring.evaluate import Evaluation, Scorer
from scoring.facts import Facts
from scoring.layout import MISSING
from scoring.state import ROW, SCORE, Store
from scoring.times import Int64


class Cause(Enum):
    """What may have moved a score since it was last evaluated: between ticks only events, at a tick only the clock."""

    EVENTS = "events"
    CLOCK = "clock"


def rescore(
    store: Store, rows: Int64, scorer: Scorer, now: int | Int64, cause: Cause
) -> tuple[Facts, Evaluation]:
    """Evaluate these accounts as of `now`, write the results, and book the difference to `cause`.

    `now` is one time for all, or each its own of one day. Rows that only the clock moved need not be written: who reads
    them scores them as of the same tick, with the same result.
    """
    f = Facts(store, rows, now)
    e = scorer.evaluate(f)
    hot = store.hot
    new = np.where(e.sub == MISSING, MISSING, e.contribution).T.astype(np.int32)
    old = f.hot["contribution"]
    if cause is Cause.EVENTS:
        hot["event_part"][rows] = f.hot["event_part"] + np.maximum(new, 0) - np.maximum(old, 0)
        moved = (new != old).any(axis=1) | (f.hot["score"] != e.score) | (f.hot["coverage"] != e.coverage)
        store.mark[rows[moved]] |= ROW
    hot["contribution"][rows] = new
    hot["score"][rows] = e.score
    hot["coverage"][rows] = e.coverage
    store.mark[rows] &= ~np.uint8(SCORE)
    return f, e
