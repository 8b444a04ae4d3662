"""What signals see: n accounts (n >= 1) at one instant, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.columns import Columns
from scoring.curves import distinct
from scoring.fold.usage import FEATURE_BITS, USER_BITS
from scoring.layout import DAYS, MISSING, MONTHS, RINGS, TIERS, WEEK_SLOTS, WEEKS, copy_rows, take_rows
from scoring.model_parts import TierName
from scoring.state import Store
from scoring.tail import Tail
from scoring.times import DAY, HOUR, UNSET, Int64, month_of_day

FEW: Final = 64
"""Accounts up to which the call itself costs more than the sum."""


class AccountFacts(NamedTuple):
    """One account as of `now` (milliseconds), to read: its columns (`scoring.layout`) and its tail (`scoring.tail`)."""

    account_id: str
    now: int
    hot: np.void
    tail: Tail

    def attribute(self, name: str) -> Any:  # noqa: ANN401 - attributes differ in type
        """An account attribute, None if it was never told."""
        return self.tail.value(name)


class Facts:
    """Columns of n accounts as of `now` (milliseconds). Window sums are computed once and remembered.

    `now` may differ by account, within one UTC day: then `at` tells it for each, and `now` is that of the first.
    """

    tier: Int64
    """Position in TIERS, by the model: set by `Scorer.evaluate` before any signal is asked."""

    def __init__(self, store: Store, rows: Int64 | slice, now: int | Int64) -> None:
        self._store = store
        self._rows = rows if isinstance(rows, slice) else _as_slice(rows)
        self._windows: dict[tuple[str, int, int], Int64] = {}
        self._matrices: dict[str, NDArray[Any]] = {}
        at = self._rows
        self.hot: NDArray[Any] = (  # a copy: what is scored is compared with what it was before
            copy_rows(store.hot[at]) if isinstance(at, slice) else take_rows(store.hot, at)
        )
        self._columns = Columns(self.hot)
        self.at: Int64 = np.broadcast_to(np.asarray(now, np.int64), len(self.hot))
        self.now = int(now if np.ndim(now) == 0 else self.at[0])
        self.today = self.now // DAY
        self.hours_today = self.at % DAY // HOUR

    def __len__(self) -> int:
        return len(self.hot)

    def account(self, i: int) -> AccountFacts:
        """Account i by itself: for signals in plain Python."""
        row = self._rows.start + i if isinstance(self._rows, slice) else int(self._rows[i])
        return AccountFacts(
            self._store.name(row), int(self.at[i]), self.hot[i], self._store.tails.get(row, Tail())
        )

    def column(self, name: str) -> Int64:
        """A scalar column as int64."""
        return self._columns.scalar(name)

    def vector(self, name: str) -> NDArray[Any]:
        """A column with several values, (width, n), in 64 bits."""
        return self._columns.vector(name)

    def window(self, ring: str, n: int, skip: int = 0) -> Int64:
        """Sum over the n newest buckets of a ring up to now's, the `skip` newest left out."""
        key = (ring, n, skip)
        known = self._windows.get(key)
        if known is None:
            matrix, offset, size, days = RINGS[ring]
            values = self._matrix(matrix)
            newest = self.today // days - skip
            parts = [
                row_sums(values[:, offset + first : offset + last]) for first, last in _runs(newest, n, size)
            ]
            known = self._windows[key] = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        return known

    def _matrix(self, name: str) -> NDArray[Any]:
        """The rings of these accounts: gathered once, as several windows look into the same ones."""
        known = self._matrices.get(name)
        if known is None:
            known = self._matrices[name] = self._store.rings[name][self._rows]
        return known

    @cached_property
    def age_days(self) -> Int64:
        """Whole days since the account was created, or first seen."""
        return np.asarray((self.at - self.created) // DAY)

    @cached_property
    def created(self) -> Int64:
        """When the account was created, first seen if that is not known, now if nothing is."""
        created, first = self.column("created_ts"), self.column("first_ts")
        known = np.where(created == UNSET, first, created)
        return np.where(known == UNSET, self.at, known)

    def seen(self, code: int) -> NDArray[np.bool_]:
        """Whether any event of that type was applied in this term."""
        return np.asarray(self.vector("last_seen")[code] != UNSET)

    def flag(self, bit: int) -> NDArray[np.bool_]:
        """Whether a flag of `scoring.layout` is set."""
        return np.asarray(self.column("flags") & bit != 0)

    def active_on(self, day: int) -> NDArray[np.bool_]:
        """Whether there was usage on that day (days since 1970, of the last 120)."""
        word = self.vector("active")[day % DAYS // 64]
        return np.asarray(word >> np.uint64(day % 64) & np.uint64(1) != 0)

    def active_days(self, n: int) -> Int64:
        """Days with usage among the n days up to today."""
        mask = [0, 0]
        for day in range(self.today - n + 1, self.today + 1):
            mask[day % DAYS // 64] |= 1 << day % 64
        words = self.vector("active")[:2] & np.array(mask, np.uint64)[:, None]
        return _counted(words)

    @cached_property
    def _weeks(self) -> list[int]:
        """Slots of the five weeks up to now."""
        return [week % WEEK_SLOTS for week in range(self.today // 7 - WEEKS + 1, self.today // 7 + 1)]

    def most_active_users(self) -> Int64:
        """Largest number of active users reported in the five weeks up to now."""
        most: Int64 = self.vector("users_max")[self._weeks].max(axis=0)
        return most

    @cached_property
    def features(self) -> NDArray[np.uint64]:
        """Sketch of the features of the five weeks up to now; `fold.usage.feature_bit` tells the bit of one."""
        union: NDArray[np.uint64] = np.bitwise_or.reduce(self.vector("features")[self._weeks])
        return union

    def features_used(self) -> Int64:
        """Distinct features of the five weeks up to now, in thousandths."""
        return distinct(np.bitwise_count(self.features).astype(np.int64), FEATURE_BITS)

    def users(self) -> Int64:
        """Distinct users of the five weeks up to now, in thousandths (see `curves.distinct` for the error)."""
        return self._sketches[0]

    def regular_users(self) -> Int64:
        """Distinct users seen in two or more of those weeks, in thousandths."""
        return self._sketches[1]

    @cached_property
    def _sketches(self) -> tuple[Int64, Int64]:
        """Users seen in any week, and in more than one."""
        first, *others = self.vector("users").reshape(WEEK_SLOTS, -1, len(self))[self._weeks]
        once, again = first.copy(), np.zeros_like(first)
        for bits in others:
            again |= once & bits
            once |= bits
        return distinct(_counted(once), USER_BITS), distinct(_counted(again), USER_BITS)

    def by_tier(self, values: Mapping[TierName, int]) -> Int64:
        """A model option that differs by tier, for each account."""
        return np.array([values[name] for name in TIERS], np.int64)[self.tier]

    @cached_property
    def seat_ratio(self) -> Int64:
        """Users per seat in thousandths, of counted users or reported active users, whichever is more; else MISSING."""
        seats = self.column("seats")
        users = np.maximum(self.users(), 1000 * self.most_active_users())
        return np.where((seats > 0) & (users > 0), users // np.maximum(seats, 1), MISSING)

    @cached_property
    def touched_ts(self) -> Int64:
        """When the customer last replied or met, the creation of the account if never."""
        return np.maximum(self.column("two_way_ts"), self.created)

    @cached_property
    def overdue(self) -> NDArray[np.bool_]:
        """Whether an open invoice is past due."""
        due = self.column("oldest_due")
        return np.asarray((due != UNSET) & (due < self.at))

    def within(self, column: str, days: int) -> NDArray[np.bool_]:
        """Whether that time lies less than so many days back."""
        ts = self.column(column)
        return np.asarray((ts != UNSET) & (self.at - ts < days * DAY))

    def mrr_at(self, months_ago: int) -> Int64:
        """MRR in minor units at that month, MISSING if not known then."""
        return np.asarray(self.vector("mrr")[(month_of_day(self.today) - months_ago) % MONTHS])

    @cached_property
    def mrr(self) -> Int64:
        """MRR of the current month in minor units, MISSING if not known."""
        return self.mrr_at(0)

    def mrr_base(self) -> Int64:
        """MRR twelve months ago, else the earliest known since, MISSING if none."""
        month = month_of_day(self.today)
        year: Int64 = self.vector("mrr")[[m % MONTHS for m in range(month - 12, month + 1)]]
        base: Int64 = year[(year != MISSING).argmax(axis=0), np.arange(len(self))]
        return base


def row_sums(values: NDArray[Any]) -> Int64:
    """Sum of each row; of many rows as short as ours NumPy's own sum takes two to six times as long."""
    if len(values) <= FEW:
        return np.asarray(np.add.reduce(values, axis=1, dtype=np.int64))
    sums: Int64 = np.einsum("ij->i", values, dtype=np.int64)
    return sums


def _counted(words: NDArray[np.uint64]) -> Int64:
    """Bits that are set in the words of each column."""
    return np.asarray(np.add.reduce(np.bitwise_count(words), dtype=np.int64))


def _as_slice(rows: Int64) -> Int64 | slice:
    """Neighbouring rows as a slice: nothing has to be gathered then."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and bool((np.diff(rows) == 1).all()):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _runs(newest: int, n: int, size: int) -> list[tuple[int, int]]:
    """The buckets newest - n + 1 .. newest of a ring as column ranges."""
    last = newest % size + 1
    first = last - n
    return [(first, last)] if first >= 0 else [(0, last), (size + first, size)]
