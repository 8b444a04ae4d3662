"""What one account occupies: fixed-width columns, independent of any model.

`HOT` holds scalars and short vectors, one structured row an account. The rings are matrices beside it, one
row an account, a bucket being `unit number % size`. Everything of variable size (open tickets, attributes,
...) is the account's `scoring.tail.Tail`. Changing anything here changes the changelog row: raise
`ROW_VERSION` in `scoring.row` and add an upgrade.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.times import UNSET

DIMENSIONS: Final = (
    "product_usage", "support", "invoice_history", "sentiment", "executive_relationships",
    "contract_growth", "csm_activity", "self_sufficiency", "marketing_engagement", "community",
    "onboarding", "goals",
)  # fmt: skip
"""Known dimensions; the position is the slot in every per-dimension column."""
TIERS: Final = ("high_touch", "low_touch", "tech_touch")
BANDS: Final = ("insufficient_data", "red", "amber", "green")
SURVEY_KINDS: Final = ("nps", "csat", "ces")
MISSING: Final = -1
WEEKS: Final = 5
"""Weeks that sketches look back on: the current one and four before it."""
WEEK_SLOTS: Final = WEEKS + 1
"""Weekly sketches kept: one more, as rings open the next tick's week while scores still stand at the last."""
RECENT_IDS: Final = 32
HISTORY_DAYS: Final = 100
MONTHS: Final = 14
DAYS: Final = 128
"""Days of the daily rings; also how long closed tickets, closed invoices and answers are remembered."""

D: Final = len(DIMENSIONS)
HOT: Final = np.dtype(
    [
        ("fence", "<i8", 6), ("last_seen", "<i8", 6), ("tick", "<i8"), ("passed", "<i8"),
        ("first_ts", "<i8"), ("created_ts", "<i8"), ("started_ts", "<i8"), ("ended_ts", "<i8"),
        ("first_value_ts", "<i8"), ("churn_notice_ts", "<i8"), ("auto_renew_on_ts", "<i8"),
        ("urgent_since", "<i8"), ("oldest_due", "<i8"), ("survey_ts", "<i8", 3), ("band_since", "<i8"),
        ("pending_since", "<i8"), ("due", "<i8"), ("version", "<i8"), ("id_count", "<i8"),
        ("mrr", "<i8", MONTHS), ("recent_ids", "<u8", RECENT_IDS), ("users", "<u8", (WEEK_SLOTS, 4)),
        ("features", "<u8", WEEK_SLOTS), ("active", "<u8", 2), ("alerts", "<u8"), ("day", "<i4"),
        ("term", "<i4"), ("seats", "<i4"), ("users_max", "<i4", WEEK_SLOTS), ("survey_mean", "<i4", 3),
        ("survey_n", "<i4", 3), ("score", "<i4"), ("coverage", "<i4"), ("last_sub", "<i4", D),
        ("contribution", "<i4", D), ("event_part", "<i4", D), ("pub_contribution", "<i4", D),
        ("pub_score", "<i4"), ("pub_coverage", "<i4"), ("pub_day", "<i4"), ("touched", "<u4"),
        ("history", "<i2", HISTORY_DAYS), ("tier", "i1"), ("auto_renew", "i1"), ("band", "i1"),
        ("previous_band", "i1"), ("pending_band", "i1"), ("pub_band", "i1"), ("flags", "u1"),
        ("marks", "u1"), ("pad", "u1", 4),
    ]
)  # fmt: skip

VALUE_TRACKED: Final = 1
"""Flag: some usage event said whether it was a value event."""
ENDED: Final = 2
"""Flag: the account was ended at its last tick."""
FEATURES_SEEN: Final = 4
"""Flag: some usage event of this term named a feature."""


def blank() -> NDArray[np.void]:
    """The row of an account of which nothing is known."""
    row = np.zeros((), HOT)
    for name in (
        "fence", "last_seen", "tick", "passed", "first_ts", "created_ts", "started_ts", "ended_ts",
        "first_value_ts", "churn_notice_ts", "auto_renew_on_ts", "urgent_since", "oldest_due", "survey_ts",
        "band_since", "pending_since", "due",
    ):  # fmt: skip
        row[name] = UNSET
    for name in (
        "mrr",
        "score",
        "last_sub",
        "pub_score",
        "pub_coverage",
        "pub_day",
        "history",
        "tier",
        "auto_renew",
        "pending_band",
        "pub_band",
    ):
        row[name] = MISSING
    return row


class Ring(NamedTuple):
    """Where a ring lies: its matrix, first column, number of buckets and the days of one bucket."""

    matrix: str
    offset: int
    size: int
    days: int


RINGS: Final = {
    "usage": Ring("usage", 0, DAYS, 1),
    "errors": Ring("errors", 0, 32, 1),
    "tickets": Ring("counts", 0, DAYS, 1),
    "complaints": Ring("counts", 128, 32, 7),
    "reopens": Ring("counts", 160, 32, 7),
    "late": Ring("counts", 192, 32, 7),
    "failures": Ring("counts", 224, 32, 7),
    "disputes": Ring("counts", 256, 32, 7),
}
MATRICES: Final[dict[str, tuple[int, np.dtype[Any]]]] = {
    "usage": (DAYS, np.dtype("<i8")),
    "errors": (32, np.dtype("<i4")),
    "counts": (288, np.dtype("<i2")),
}
"""Width and element type of each ring matrix."""
