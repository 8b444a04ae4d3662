"""Outcomes: when an account ended.

They are no input of the score, they only decide whether there is an account to score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.events import Churn
from scoring.state import Store
from scoring.times import Int64


def fold_outcomes(store: Store, rows: Int64, events: Sequence[Any], times: Int64) -> NDArray[np.bool_]:
    """Fold churns and renewals; returns which were new. Only the end of the whole account changes anything."""
    new = np.ones(len(events), np.bool_)
    for i, (row, event, ts) in enumerate(zip(rows.tolist(), events, times.tolist(), strict=True)):
        if isinstance(event, Churn) and event.scope == "account":
            new[i] = end(store, row, ts)
    return new


def end(store: Store, row: int, ts: int) -> bool:
    """The account ended at this time; False if a later end is known."""
    if ts <= store.hot["ended_ts"][row]:
        return False
    store.hot["ended_ts"][row] = ts
    return True
