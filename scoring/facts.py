"""What signals see: n accounts (n >= 1) at one instant, as columns."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.curves import distinct
from scoring.fold.usage import FEATURE_BITS, USER_BITS
from scoring.layout import DAYS, MISSING, MONTHS, RINGS, WEEK_SLOTS, WEEKS
from scoring.state import Store
from scoring.times import DAY, HOUR, UNSET, Int64, month_of


class Facts:
    """Columns of n accounts as of `now` (milliseconds). Window sums are computed once and remembered."""

    def __init__(self, store: Store, rows: Int64 | slice, now: int) -> None:
        self._store = store
        self._rows = rows
        self._memo: dict[object, Int64] = {}
        self.hot: NDArray[Any] = store.hot[rows]
        self.now = now
        self.today = now // DAY
        self.hours_today = now % DAY // HOUR

    def __len__(self) -> int:
        return len(self.hot)

    def column(self, name: str) -> Int64:
        """A scalar column as int64."""
        known = self._memo.get(name)
        if known is None:
            known = self._memo[name] = self.hot[name].astype(np.int64)
        return known

    def window(self, ring: str, n: int, skip: int = 0) -> Int64:
        """Sum over the n newest buckets of a ring up to now's, the `skip` newest left out."""
        key = (ring, n, skip)
        known = self._memo.get(key)
        if known is None:
            matrix, offset, size, days = RINGS[ring]
            values = getattr(self._store, matrix)[self._rows]
            newest = self.today // days - skip
            total = np.zeros(len(self), np.int64)
            for first, last in _runs(newest, n, size):
                total += values[:, offset + first : offset + last].sum(axis=1, dtype=np.int64)
            known = self._memo[key] = total
        return known

    @cached_property
    def age_days(self) -> Int64:
        """Whole days since the account was created, or first seen."""
        return np.asarray((self.now - self.created) // DAY)

    @cached_property
    def created(self) -> Int64:
        """When the account was created, first seen if that is not known, now if nothing is."""
        created, first = self.column("created_ts"), self.column("first_ts")
        known = np.where(created == UNSET, first, created)
        return np.where(known == UNSET, self.now, known)

    def seen(self, code: int) -> NDArray[np.bool_]:
        """Whether any event of that type was applied in this term."""
        return np.asarray(self.hot["last_seen"][:, code] != UNSET)

    def flag(self, bit: int) -> NDArray[np.bool_]:
        """Whether a flag of `scoring.layout` is set."""
        return np.asarray(self.hot["flags"] & bit != 0)

    def active_days(self, n: int) -> Int64:
        """Days with usage among the n days up to today."""
        mask = [0, 0]
        for day in range(self.today - n + 1, self.today + 1):
            mask[day % DAYS // 64] |= 1 << day % 64
        words = self.hot["active"] & np.array(mask, np.uint64)
        days: Int64 = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
        return days

    @cached_property
    def _weeks(self) -> list[int]:
        """Slots of the five weeks up to now."""
        return [week % WEEK_SLOTS for week in range(self.today // 7 - WEEKS + 1, self.today // 7 + 1)]

    def most_active_users(self) -> Int64:
        """Largest number of active users reported in the five weeks up to now."""
        most: Int64 = self.hot["users_max"][:, self._weeks].max(axis=1).astype(np.int64)
        return most

    def features_used(self) -> Int64:
        """Distinct features of the five weeks up to now, in thousandths."""
        union = np.bitwise_or.reduce(self.hot["features"][:, self._weeks], axis=1)
        return distinct(np.bitwise_count(union).astype(np.int64), FEATURE_BITS)

    def users(self) -> Int64:
        """Distinct users of the five weeks up to now, in thousandths (see `curves.distinct` for the error)."""
        union = np.bitwise_or.reduce(self.hot["users"][:, self._weeks], axis=1)
        return distinct(np.bitwise_count(union).sum(axis=1, dtype=np.int64), USER_BITS)

    def regular_users(self) -> Int64:
        """Distinct users seen in two or more of those weeks, in thousandths."""
        once = np.zeros((len(self), 4), np.uint64)
        again = np.zeros_like(once)
        for week in self._weeks:
            bits = self.hot["users"][:, week]
            again |= once & bits
            once |= bits
        return distinct(np.bitwise_count(again).sum(axis=1, dtype=np.int64), USER_BITS)

    def mrr_at(self, months_ago: int) -> Int64:
        """MRR in minor units at that month, MISSING if not known then."""
        return np.asarray(self.hot["mrr"][:, (month_of(self.now) - months_ago) % MONTHS])

    @cached_property
    def mrr(self) -> Int64:
        """MRR of the current month in minor units, MISSING if not known."""
        return self.mrr_at(0)

    def mrr_base(self) -> Int64:
        """MRR twelve months ago, else the earliest known since, MISSING if none."""
        month = month_of(self.now)
        year: Int64 = self.hot["mrr"][:, [m % MONTHS for m in range(month - 12, month + 1)]]
        base: Int64 = year[np.arange(len(self)), (year != MISSING).argmax(axis=1)]
        return base


def _runs(newest: int, n: int, size: int) -> list[tuple[int, int]]:
    """The buckets newest - n + 1 .. newest of a ring as column ranges."""
    last = newest % size + 1
    first = last - n
    return [(first, last)] if first >= 0 else [(0, last), (size + first, size)]
