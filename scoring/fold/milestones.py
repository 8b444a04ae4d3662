"""Milestones: what the customer reached, planned, missed or changed; all registers that merge in any order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.events import Milestone
from scoring.fold.registers import earliest, keep_newest
from scoring.layout import MILESTONES_TRACKED, VALUE_TRACKED
from scoring.state import Store
from scoring.tail import Tail
from scoring.times import Int64, parse

DONE: Final = 100_000
"""A goal or an onboarding that is reached, in thousandths of a percent."""
_NEWEST: Final = {"feature_declined": "declined_ts", "strategy_change": "strategy_ts"}


def fold_milestones(store: Store, rows: Int64, events: Sequence[Any], times: Int64) -> NDArray[np.bool_]:
    """Fold milestone events; returns which changed anything."""
    new = np.ones(len(events), np.bool_)
    for i, (row, event, ts) in enumerate(zip(rows.tolist(), events, times.tolist(), strict=True)):
        tail = store.tail(row)
        new[i] = changed = _fold(store, row, tail, event, ts)
        if changed:
            keep_newest(tail.recent, (ts, event.event_id, f"milestone {event.kind}"))
    return new


def _fold(store: Store, row: int, tail: Tail, event: Milestone, ts: int) -> bool:
    hot = store.hot
    before = (int(hot["flags"][row]), dict(tail.registers), hot[row].tobytes())
    hot["flags"][row] |= MILESTONES_TRACKED
    if event.kind == "first_value":
        hot["flags"][row] |= VALUE_TRACKED
        hot["first_value_ts"][row] = earliest(int(hot["first_value_ts"][row]), ts)
        hot["last_value_ts"][row] = max(int(hot["last_value_ts"][row]), ts)
    elif event.kind == "onboarding_done":
        if event.value is None or round(event.value * 1000) == DONE:
            hot["onboarded_ts"][row] = earliest(int(hot["onboarded_ts"][row]), ts)
        _plan(store, row, tail, "onboarding_due", event, ts)
    elif event.kind == "goal_progress":
        if event.value is not None:
            _raise(tail, "goal", ts, round(event.value * 1000))
            hot["goal"][row] = tail.registers["goal"][1]
        _plan(store, row, tail, "goal_due", event, ts)
    else:
        column = _NEWEST[event.kind]
        hot[column][row] = max(int(hot[column][row]), ts)
    if event.kind == "first_value":
        return True  # usage tells the same registers: what it adds to them depends on the order
    return before != (int(hot["flags"][row]), tail.registers, hot[row].tobytes())


def _plan(store: Store, row: int, tail: Tail, name: str, event: Milestone, ts: int) -> None:
    if event.due_at is not None:
        _raise(tail, name, ts, parse(event.due_at))
        store.hot[name][row] = tail.registers[name][1]


def _raise(tail: Tail, name: str, ts: int, value: int) -> None:
    tail.registers[name] = max(tail.registers.get(name, (ts, value)), (ts, value))
