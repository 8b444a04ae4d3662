"""Changelog rows of earlier versions, brought to the present columns. Nothing here may change once released."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.fold import accounts, surveys, tickets
from scoring.layout import HOT, blank
from scoring.state import Store
from scoring.times import UNSET, Int64

_HOT_1: Final = np.dtype(
    [
        ("fence", "<i8", 6), ("last_seen", "<i8", 6), ("tick", "<i8"), ("passed", "<i8"),
        ("first_ts", "<i8"), ("created_ts", "<i8"), ("started_ts", "<i8"), ("ended_ts", "<i8"),
        ("first_value_ts", "<i8"), ("churn_notice_ts", "<i8"), ("auto_renew_on_ts", "<i8"),
        ("urgent_since", "<i8"), ("oldest_due", "<i8"), ("survey_ts", "<i8", 3), ("band_since", "<i8"),
        ("pending_since", "<i8"), ("due", "<i8"), ("version", "<i8"), ("id_count", "<i8"),
        ("mrr", "<i8", 14), ("recent_ids", "<u8", 32), ("users", "<u8", (6, 4)),
        ("features", "<u8", 6), ("active", "<u8", 2), ("alerts", "<u8"), ("day", "<i4"),
        ("term", "<i4"), ("seats", "<i4"), ("users_max", "<i4", 6), ("survey_mean", "<i4", 3),
        ("survey_n", "<i4", 3), ("score", "<i4"), ("coverage", "<i4"), ("last_sub", "<i4", 12),
        ("contribution", "<i4", 12), ("event_part", "<i4", 12), ("pub_contribution", "<i4", 12),
        ("pub_score", "<i4"), ("pub_coverage", "<i4"), ("pub_day", "<i4"), ("touched", "<u4"),
        ("history", "<i2", 100), ("tier", "i1"), ("auto_renew", "i1"), ("band", "i1"),
        ("previous_band", "i1"), ("pending_band", "i1"), ("pub_band", "i1"), ("flags", "u1"),
        ("marks", "u1"), ("pad", "u1", 4),
    ]
)  # fmt: skip

"""The fixed-width columns of version 1, as they were."""
_HEADS: Final = {1: 4, 2: 8}
"""Bytes before the columns, by version."""
_MATRICES: Final = {1: ("usage", "errors", "counts"), 2: ("usage", "errors", "counts", "touches")}
COLUMNS: Final[dict[int, np.dtype[Any]]] = {1: _HOT_1, 2: HOT}


def head_bytes(version: int) -> int:
    """Bytes of the head of a row."""
    return _HEADS[version]


def matrices_of(version: int) -> tuple[str, ...]:
    """Ring matrices of a row, in order."""
    return _MATRICES[version]


def present_columns(hot: NDArray[Any], version: int) -> NDArray[Any]:
    """The columns of rows of any version as those of today; what a version did not know is unknown."""
    if version == 2:
        return hot
    out = np.full(len(hot), blank(), HOT)
    for name in _HOT_1.names or ():
        if name in ("pad", "active", "last_seen"):
            continue
        out[name] = hot[name]
    out["active"][:, 0] = hot["active"]
    out["last_seen"][:, :5] = hot["last_seen"][:, :5]
    out["last_active"][:, 0] = _last_active(hot)
    out["last_value_ts"] = hot["first_value_ts"]
    return out


def _last_active(hot: NDArray[Any]) -> Int64:
    """The newest day of the activity mask, UNSET for none."""
    last = np.full(len(hot), UNSET, np.int64)
    for back in range(127, -1, -1):
        day = hot["day"].astype(np.int64) - back
        word = np.take_along_axis(hot["active"], (day % 128 // 64)[:, None], axis=1)[:, 0]
        seen = (word >> (day % 64).astype(np.uint64)) & np.uint64(1) != 0
        last = np.where(seen & (day >= 0), day, last)
    return last


def derive_new_columns(store: Store, row: int) -> None:
    """Columns that version 1 lacked and that follow from the tail."""
    if row in store.tails:
        tickets.derive(store, row)
        surveys.derive(store, row)
        accounts.derive(store, row, store.tails[row])
