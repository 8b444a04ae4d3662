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
    """Fold churns and renewals; all count as new. Only the end of the whole account changes anything."""
    for row, event, ts in zip(rows.tolist(), events, times.tolist(), strict=True):
        if isinstance(event, Churn) and event.scope == "account":
            end(store, row, ts)
    return np.ones(len(events), np.bool_)


def end(store: Store, row: int, ts: int) -> None:
    """The account ended at this time, unless a later end is known."""
    store.hot["ended_ts"][row] = max(int(store.hot["ended_ts"][row]), ts)
