"""Overrides: a person's judgement beside the score, the newest one told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.events import Override
from scoring.fold.registers import canonical, keep_newest
from scoring.state import Store
from scoring.tail import OverrideState
from scoring.times import Int64, parse


def fold_overrides(store: Store, rows: Int64, events: Sequence[Any], times: Int64) -> NDArray[np.bool_]:
    """Fold overrides; returns which are the newest of their account."""
    new = np.ones(len(events), np.bool_)
    for i, (row, event, ts) in enumerate(zip(rows.tolist(), events, times.tolist(), strict=True)):
        tail = store.tail(row)
        told = _state(event, ts)
        new[i] = newer = tail.override is None or _order(told) > _order(tail.override)
        if newer:
            tail.override = told
            keep_newest(tail.recent, (ts, event.event_id, "override"))
    return new


def _state(event: Override, ts: int) -> OverrideState:
    value = None if event.value is None else round(event.value * 1000)
    return OverrideState(ts, value, event.reason, event.author, parse(event.expires_at))


def _order(state: OverrideState) -> tuple[int, bytes]:
    return state.ts, canonical((state.value, state.reason, state.author, state.expires))
