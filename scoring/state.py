"""The accounts of one partition: columns with a row an account, an index, tails, and what has to be written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.layout import (
    DAYS,
    HOT,
    MATRICES,
    MONTHS,
    MOST_COUNTED,
    RINGS,
    WEEK_SLOTS,
    blank,
    words,
)
from scoring.rings import Rings, begun, reserve, roll_ring
from scoring.tail import Tail
from scoring.tails import Tails
from scoring.times import DAY, UNSET, Int64, month_of_day

ROW: Final = 1
"""Mark: the row differs from its changelog record."""
SCORE: Final = 2
"""Mark: events were folded since it was scored."""
TOUCHED: Final = 4
"""Mark: an event was applied since the last tick."""
LOOK: Final = 8
"""Mark: whether its score has to be published was not looked at since it was last evaluated or touched."""
AWAITS: Final = 16
"""Mark: a tick is under way that has to evaluate it."""
KEPT: Final = SCORE | TOUCHED | LOOK
"""Marks that travel with the row: work that was still to do when it was written."""

_NEVER: Final = 2**31 - 1
_BLANK = blank()
_MOST_ROOM: Final = 1 << 20
"""Rows added at once: 4 GB of addresses."""
_BLANK_WORDS: Final = words(_BLANK.reshape(1))
_FIELDS: Final = dict(HOT.fields or {})


def column_offset(name: str, item_bytes: int) -> int:
    """Where a field begins in a flat view of the hot rows with items of that size."""
    return int(_FIELDS[name][1]) // item_bytes


class News(NamedTuple):
    """A fact that an event made known: which, of what (a ticket, an invoice, ...), when, and for which time."""

    fact: str
    row: int
    item: str
    at: int
    nth: int = 1


class Store:
    """Columns, index and tails of one partition. `day` is the day its rings are rolled to.

    `today` is the day that events count from and ticks stand at. After a crash `day` may be ahead of it: some rows were
    written at later ticks than those from which the clock goes on.
    """

    def __init__(self, capacity: int = 1024) -> None:
        self.n = 0
        self.day = self.today = UNSET
        self.index: dict[bytes, int] = {}
        self.keys: list[bytes] = []
        self.tails = Tails()
        self.rings = {matrix: Rings(matrix, capacity) for matrix in MATRICES}
        """By matrix."""
        self.news: list[News] = []
        """What folding found out since it was last asked, in the order of the log."""
        self._allocate(capacity)

    hot: NDArray[Any]

    def _allocate(self, capacity: int) -> None:
        old_n = self.n
        kept = ("mark", "last_usage", "expiry", "calm", "calm_band") if old_n else ()
        old, old_words = {name: getattr(self, name) for name in kept}, words(self.hot) if old_n else None
        self.hot = reserve((capacity,), HOT)
        self.mark = np.zeros(capacity, np.uint8)
        self.last_usage: NDArray[np.object_] = np.full(capacity, None, object)
        """Id of the newest folded usage event per row: evidence only, not part of the state."""
        self.expiry = np.full(capacity, _NEVER, np.int32)
        """First day on which something of a row may have to be forgotten. Not part of the state."""
        self.calm = np.zeros(capacity, np.uint64)
        """Bits of the `alerts` column: those that fire and were told with `calm_band`. Not part of the state."""
        self.calm_band = np.zeros(capacity, np.int8)
        for name, values in old.items():
            getattr(self, name)[:old_n] = values[:old_n]
        if old_words is not None:
            words(self.hot)[:old_n] = old_words[:old_n]
        # Flat views: indexing them with one computed index is several times cheaper than two indices.
        self.hot8 = self.hot.view("<i8").reshape(-1)
        self.hot8u = self.hot.view("<u8").reshape(-1)
        self.hot4 = self.hot.view("<i4").reshape(-1)

    def _grow(self) -> None:
        """Make room 64 times as large: rows are seldom copied, and pages never written to take no memory."""
        capacity = len(self.hot)
        larger = capacity + min(63 * capacity, _MOST_ROOM)
        self._allocate(larger)
        for rings in self.rings.values():
            rings.grow(larger, self.n)

    def row(self, key: bytes) -> int:
        """The row of an account, made when it is new."""
        row = self.index.get(key)
        return self.rows([key])[0] if row is None else row

    def rows(self, keys: Sequence[bytes], *, blank: bool = True) -> list[int]:
        """The rows of different accounts, made when they are new; `blank` unless the caller writes all of them."""
        new = [key for key in keys if key not in self.index]
        first, end = self.n, self.n + len(new)
        while end > len(self.hot):
            self._grow()
        if blank:
            words(self.hot)[first:end] = _BLANK_WORDS
            self.hot["day"][first:end] = self.day
        self.n = end
        self.index.update(zip(new, range(first, end), strict=True))
        self.keys += new
        return [self.index[key] for key in keys]

    def name(self, row: int) -> str:
        """The id of an account, which is its key."""
        return self.keys[row].decode()

    def tail(self, row: int) -> Tail:
        """The tail of an account to change."""
        return self.tails.change(row)

    def shrink(self) -> None:
        """Encode tails again when too many are decoded; between events only."""
        self.tails.shrink(self.hot["tick"])

    def expect(self, row: int, ts: int) -> None:
        """Something of that time, remembered for `DAYS`, has to be forgotten some day."""
        self.expiry[row] = min(ts // DAY + DAYS, self.expiry.item(row))

    def expect_days(self, rows: Int64, days: Int64) -> None:
        """The same for different rows and the days of what they remember."""
        self.expiry[rows] = np.minimum(days + DAYS, self.expiry[rows])

    def expected(self) -> list[int]:
        """Rows to look at today, which must expect the next day anew."""
        rows = np.flatnonzero(self.expiry[: self.n] <= self.today)
        self.expiry[rows] = _NEVER
        return rows.tolist()

    def first_days(self, rows: Int64) -> Int64:
        """One more than the day of the oldest of what each row remembers for a while, 0 for nothing; 65,535 at most."""
        days = self.expiry[rows].astype(np.int64) - DAYS + 1
        return np.where(self.expiry[rows] == _NEVER, 0, np.clip(days, 1, 2**16 - 1))

    def touch(self, rows: Int64 | int) -> None:
        """An event was applied to these rows."""
        self.mark[rows] |= ROW | KEPT

    def add(self, ring: str, rows: Int64, buckets: Int64, amounts: Int64) -> None:
        """Add to a bucket of each row, which the ring must still reach back to; a row may come several times."""
        matrix, offset, size, _ = RINGS[ring]
        self.rings[matrix].add(rows, offset + buckets % size, amounts)

    def count(self, ring: str, row: int, bucket: int, amount: int) -> None:
        """Add to one bucket of a counting ring, if the ring still reaches back to it; 0 to MOST_COUNTED."""
        matrix, offset, size, days = RINGS[ring]
        if bucket > self.day // days - size:
            self.rings[matrix].count(row, offset + bucket % size, amount, MOST_COUNTED)

    def count_all(self, ring: str, rows: Int64, buckets: Int64) -> None:
        """One more in each of these buckets, as `count` would, one after the other."""
        matrix, offset, size, days = RINGS[ring]
        reached = buckets > self.day // days - size
        self.rings[matrix].count_all(rows[reached], offset + buckets[reached] % size, MOST_COUNTED)

    def roll(self, today: int) -> None:
        """Open the buckets of the days, weeks and months that have begun, for all accounts at once."""
        self.today = today
        if self.day == UNSET:
            self.day = today
            self.hot["day"][: self.n] = today
            return
        if today <= self.day:
            return
        roll_hot(self.hot[: self.n], self.day, today)
        for rings in self.rings.values():
            rings.roll(self.n, self.day, today)
        self.day = today

    def reset(self, row: int) -> None:
        """A new term: everything but attributes, fences, id memory and the account's own registers is as new."""
        old = self.hot[row].copy()
        self.hot[row] = _BLANK
        for name in (
            "fence", "started_ts", "ended_ts", "churn_notice_ts", "auto_renew_on_ts", "recent_ids",
            "id_count", "seats", "tier", "auto_renew", "day", "passed", "version", "pub_day", "pub_score",
            "pub_band", "pub_coverage", "pub_contribution", "renewal", "deadline",
        ):  # fmt: skip
            self.hot[name][row] = old[name]
        self.hot["term"][row] = old["term"] + 1
        self.calm[row] = 0
        self.hot["created_ts"][row] = self.hot["first_ts"][row] = old["started_ts"]
        for rings in self.rings.values():
            rings.clear(row)
        before = self.tail(row)
        newest = max(before.mrr_months.items(), key=lambda item: item[1], default=None)
        self.tails[row] = Tail(
            attributes=before.attributes,
            mrr_months=dict([newest]) if newest else {},
            held=before.held,
            engaged=before.engaged,
            override=before.override,
        )


def roll_columns(hot: NDArray[Any], matrices: dict[str, NDArray[Any]], day: int, today: int) -> None:
    """Roll rows that stand at `day` to `today`: clear every bucket that has begun in between."""
    for ring in RINGS.values():
        roll_ring(matrices[ring.matrix], ring, day, today)
    roll_hot(hot, day, today)


def roll_hot(hot: NDArray[Any], day: int, today: int) -> None:
    """The same of the columns that are no rings; the MRR is carried into new months."""
    for week in begun(day // 7, today // 7, WEEK_SLOTS):
        for name in ("users", "features", "users_max"):
            hot[name][:, week % WEEK_SLOTS] = 0
    keep = [(1 << 64) - 1, (1 << 64) - 1]
    for d in begun(day, today, DAYS):
        keep[d % DAYS // 64] &= ~(1 << d % 64)
    for word in (0, 1):
        hot["active"][:, :, word] &= np.uint64(keep[word])
    newest = hot["mrr"][:, month_of_day(day) % MONTHS].copy()
    for month in begun(month_of_day(day), month_of_day(today), MONTHS):
        hot["mrr"][:, month % MONTHS] = newest
    hot["day"] = today
