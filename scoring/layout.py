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

SEEN: Final = ("usage", "ticket", "invoice", "survey", "account", "engagement", "milestone")
"""Types of which the newest event time is kept, in the order of `last_seen`."""
CONTACTS: Final = 8
"""Newest replying contacts whose times are columns."""
CADENCES: Final = ("usage", "engagement")
"""Feeds whose own rhythm is learned, in the order of `last_active`, `active` and `silence_days`."""

D: Final = len(DIMENSIONS)
HOT: Final = np.dtype(
    [
        ("fence", "<i8", 6), ("last_seen", "<i8", 8), ("tick", "<i8"), ("passed", "<i8"),
        ("first_ts", "<i8"), ("created_ts", "<i8"), ("started_ts", "<i8"), ("ended_ts", "<i8"),
        ("first_value_ts", "<i8"), ("last_value_ts", "<i8"), ("onboarded_ts", "<i8"),
        ("onboarding_due", "<i8"), ("goal_due", "<i8"), ("declined_ts", "<i8"), ("strategy_ts", "<i8"),
        ("two_way_ts", "<i8"), ("sponsor_ts", "<i8"), ("contact_ts", "<i8", CONTACTS),
        ("churn_notice_ts", "<i8"), ("auto_renew_on_ts", "<i8"), ("renewal", "<i8"), ("deadline", "<i8"),
        ("urgent_since", "<i8"), ("oldest_due", "<i8"), ("survey_ts", "<i8", 3), ("detractor_ts", "<i8"),
        ("promoter_ts", "<i8"), ("band_since", "<i8"), ("pending_since", "<i8"), ("due", "<i8"),
        ("version", "<i8"), ("id_count", "<i8"), ("mrr", "<i8", MONTHS), ("recent_ids", "<u8", RECENT_IDS),
        ("users", "<u8", (WEEK_SLOTS, 4)), ("features", "<u8", WEEK_SLOTS), ("active", "<u8", (2, 2)),
        ("alerts", "<u8"), ("day", "<i4"), ("term", "<i4"), ("seats", "<i4"),
        ("users_max", "<i4", WEEK_SLOTS), ("last_active", "<i4", 2), ("survey_mean", "<i4", 3),
        ("survey_trend", "<i4", 3), ("survey_n", "<i4", 3), ("goal", "<i4"), ("sponsors", "<i4"),
        ("open_complaints", "<i4"), ("score", "<i4"), ("coverage", "<i4"), ("last_sub", "<i4", D),
        ("contribution", "<i4", D), ("event_part", "<i4", D), ("pub_contribution", "<i4", D),
        ("pub_score", "<i4"), ("pub_coverage", "<i4"), ("pub_day", "<i4"), ("touched", "<u4"),
        ("history", "<i2", HISTORY_DAYS), ("silence_days", "<i2", 2), ("flags", "<u2"), ("tier", "i1"),
        ("auto_renew", "i1"), ("band", "i1"), ("previous_band", "i1"), ("pending_band", "i1"),
        ("pub_band", "i1"), ("marks", "u1"), ("pad", "u1", 7),
    ]
)  # fmt: skip

VALUE_TRACKED: Final = 1
"""Flag: some usage event said whether it was a value event."""
ENDED: Final = 2
"""Flag: the account was ended at its last tick."""
FEATURES_SEEN: Final = 4
"""Flag: some usage event of this term named a feature."""


SPONSORS_TRACKED: Final = 8
"""Flag: an event named an executive or a champion."""
CONTACTS_TRACKED: Final = 16
"""Flag: a meeting, an email or a call was told."""
HELP_TRACKED: Final = 32
"""Flag: something of the knowledge base or a training was told."""
MARKETING_TRACKED: Final = 64
"""Flag: a marketing touch was told."""
COMMUNITY_TRACKED: Final = 128
"""Flag: something in the community was told."""
MILESTONES_TRACKED: Final = 256
"""Flag: some milestone was told."""

_UNKNOWN = (
    "fence", "last_seen", "tick", "passed", "first_ts", "created_ts", "started_ts", "ended_ts",
    "first_value_ts", "last_value_ts", "onboarded_ts", "onboarding_due", "goal_due", "declined_ts",
    "strategy_ts", "two_way_ts", "sponsor_ts", "contact_ts", "churn_notice_ts", "auto_renew_on_ts",
    "renewal", "deadline", "urgent_since", "oldest_due", "survey_ts", "detractor_ts", "promoter_ts",
    "band_since", "pending_since", "due", "mrr", "last_active", "goal", "score", "last_sub", "pub_score",
    "pub_coverage", "pub_day", "history", "tier", "auto_renew", "pending_band", "pub_band",
)  # fmt: skip
"""Columns that start as -1 (UNSET, MISSING); the others start as 0."""


def blank() -> NDArray[np.void]:
    """The row of an account of which nothing is known."""
    row = np.zeros((), HOT)
    for name in _UNKNOWN:
        row[name] = MISSING
    return row


def words(rows: NDArray[Any]) -> NDArray[np.uint64]:
    """A contiguous structured array as words, a row each: NumPy copies structures field by field, which is slower."""
    return rows.view("<u8").reshape(len(rows), -1)


def copy_rows(rows: NDArray[Any]) -> NDArray[Any]:
    """A copy of a contiguous structured array."""
    return words(rows).copy().view(rows.dtype).reshape(-1)


def take_rows(rows: NDArray[Any], at: NDArray[np.int64]) -> NDArray[Any]:
    """Copies of some rows of a contiguous structured array."""
    return words(rows).take(at, axis=0).view(rows.dtype).reshape(-1)


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
    "outreach": Ring("touches", 0, 16, 7),
    "replies": Ring("touches", 16, 16, 7),
    "senior_replies": Ring("touches", 32, 16, 7),
    "help": Ring("touches", 48, 16, 7),
    "marketing": Ring("touches", 64, 16, 7),
    "community": Ring("touches", 80, 16, 7),
}
MOST_COUNTED: Final = 32_767
"""What a bucket of `counts` and `touches` holds at most."""
MATRICES: Final[dict[str, tuple[int, np.dtype[Any]]]] = {
    "usage": (DAYS, np.dtype("<i8")),
    "errors": (32, np.dtype("<i8")),
    "counts": (288, np.dtype("<i2")),
    "touches": (96, np.dtype("<i2")),
}
"""Width of each ring matrix, and the widest type that its elements get."""
NARROW: Final[dict[str, np.dtype[Any]]] = {
    "usage": np.dtype("<u4"),
    "errors": np.dtype("<u2"),
    "counts": np.dtype("u1"),
    "touches": np.dtype("u1"),
}
"""Element type of each matrix until one of its buckets has to hold more (docs/adr/0033-narrow-rings.md)."""
