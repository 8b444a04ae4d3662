"""Usage: sums per day, sketches of features and users per week, duplicates by id.

The hot path: whole columns, no loop over events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from scoring.events import Usage
from scoring.layout import DAYS, FEATURES_SEEN, HOT, RECENT_IDS, RINGS, VALUE_TRACKED, WEEK_SLOTS, WEEKS
from scoring.state import Store, column_offset
from scoring.times import DAY, Int64

UInt64 = NDArray[np.uint64]

USER_BITS: Final = 256
FEATURE_BITS: Final = 64
_HOT8 = HOT.itemsize // 8
_HOT4 = HOT.itemsize // 4
_FEATURES = column_offset("features", 8)
_USERS = column_offset("users", 8)
_ACTIVE = column_offset("active", 8)
_FIRST_VALUE = column_offset("first_value_ts", 8)
_LAST_ACTIVE = column_offset("last_active", 4)
_USERS_MAX = column_offset("users_max", 4)
_ERROR_DAYS = RINGS["errors"].size
_DAY_MIX = np.uint64(0x9E37_79B9_7F4A_7C15)
_ROW_MIX = np.uint64(0xC2B2_AE3D_27D4_EB4F)
_REMEMBERED: Final = 200_000
_digest = xxhash.xxh3_64_intdigest


class _Sketch:
    """Name to its bit of a sketch, -1 for none. Names come again and again, so looking up beats hashing."""

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._known: dict[str | None, int] = {None: -1}

    def bits(self, names: list[str | None]) -> Int64:
        """The bit of each name."""
        try:
            return np.array(list(map(self._known.get, names)), np.int64)
        except TypeError:  # None, for a name not met before
            self._learn(names)
        return np.array([self._known[name] for name in names], np.int64)

    def _learn(self, names: list[str | None]) -> None:
        if len(self._known) > _REMEMBERED:  # a producer that sends ever new names must not fill the memory
            self._known = {None: -1}
        for name in names:
            if name is not None and name not in self._known:
                self._known[name] = _digest(name.encode()) % self._bits


_features = _Sketch(FEATURE_BITS)
_users = _Sketch(USER_BITS)


def feature_bit(name: str) -> int:
    """The bit of the feature sketch that stands for a feature; one in 64 others shares it."""
    return int(_features.bits([name])[0])


def fold_usage(store: Store, rows: Int64, events: Sequence[Any], times: Int64) -> NDArray[np.bool_]:
    """Fold usage events; returns which were new (not among the last ids of their account)."""
    days = times // DAY
    new = _new_ids(store, rows, events, days)
    if not new.all():
        keep = np.flatnonzero(new)
        rows, days, times = rows[keep], days[keep], times[keep]
        events = [events[i] for i in keep.tolist()]
    if len(rows):
        _add(store, rows, events, days)
        _sketch(store, rows, events, days // 7)
        _rare(store, rows, events, times)
        store.last_usage[rows] = [e.event_id for e in events]
    return new


def _add(store: Store, rows: Int64, events: Sequence[Usage], days: Int64) -> None:
    n = len(events)
    quantity = np.rint(np.fromiter([e.quantity for e in events], np.float64, n) * 1000).astype(np.int64)
    reached = days > store.day - DAYS  # after a crash the rings may be ahead of today
    store.add("usage", rows, days, quantity * reached)
    counted = [e.errors for e in events]
    if any(counted):
        errors = np.array(counted, np.int64)
        at = np.flatnonzero((errors > 0) & (days > store.day - _ERROR_DAYS))
        store.add("errors", rows[at], days[at], errors[at])
    used = quantity > 0
    newest = np.flatnonzero(used & (days > store.hot4[rows * _HOT4 + _LAST_ACTIVE]))
    np.maximum.at(store.hot4, rows[newest] * _HOT4 + _LAST_ACTIVE, days[newest].astype(np.int32))
    word = rows * _HOT8 + _ACTIVE + days % DAYS // 64
    bit = np.left_shift(np.uint64(1), (days % 64).astype(np.uint64))
    at = np.flatnonzero(used & reached)
    _set_bits(store.hot8u, word[at], bit[at])


def _sketch(store: Store, rows: Int64, events: Sequence[Usage], weeks: Int64) -> None:
    recent = weeks > store.day // 7 - WEEKS
    slot = weeks % WEEK_SLOTS
    feature = _features.bits([e.feature for e in events])
    named = feature >= 0
    if named.any():
        first = rows[named & (store.hot["flags"][rows] & FEATURES_SEEN == 0)]
        if len(first):
            store.hot["flags"][first] |= FEATURES_SEEN
        at = np.flatnonzero(named & recent)
        bit = np.left_shift(np.uint64(1), feature[at].astype(np.uint64))
        _set_bits(store.hot8u, rows[at] * _HOT8 + _FEATURES + slot[at], bit)
    user = _users.bits([e.user_id for e in events])
    at = np.flatnonzero((user >= 0) & recent)
    if len(at):
        bit = np.left_shift(np.uint64(1), (user[at] % 64).astype(np.uint64))
        _set_bits(store.hot8u, rows[at] * _HOT8 + _USERS + slot[at] * 4 + user[at] // 64, bit)


def _set_bits(flat: UInt64, at: Int64, bits: UInt64) -> None:
    """Or bits into words. Most are set already, and `bitwise_or.at` is slow.

    Only the words that change go through it.
    """
    fresh = np.flatnonzero((flat[at] & bits) == 0)
    if len(fresh):
        np.bitwise_or.at(flat, at[fresh], bits[fresh])


def _rare(store: Store, rows: Int64, events: Sequence[Usage], times: Int64) -> None:
    """Fields that few events carry."""
    for i, e in enumerate(events):
        if e.active_users is None and e.value_event is None and e.counts is None:
            continue
        row, ts = int(rows[i]), int(times[i])
        if e.value_event is not None:
            _value_event(store, row, ts, first=e.value_event)
        names: list[str | None] = [name for name, count in (e.counts or {}).items() if count > 0]
        if names:
            store.hot["flags"][row] |= FEATURES_SEEN
        week = ts // DAY // 7
        if week <= store.day // 7 - WEEKS:
            continue
        if e.active_users is not None:
            at = row * _HOT4 + _USERS_MAX + week % WEEK_SLOTS
            store.hot4[at] = max(int(store.hot4[at]), e.active_users)
        for bit in _features.bits(names).tolist():
            store.hot8u[row * _HOT8 + _FEATURES + week % WEEK_SLOTS] |= np.uint64(1 << bit)


def _value_event(store: Store, row: int, ts: int, *, first: bool) -> None:
    store.hot["flags"][row] |= VALUE_TRACKED
    if first:
        at = row * _HOT8 + _FIRST_VALUE
        store.hot8u[at] = min(int(store.hot8u[at]), ts)  # unsigned: UNSET is the largest value
        store.hot["last_value_ts"][row] = max(int(store.hot["last_value_ts"][row]), ts)


def _new_ids(store: Store, rows: Int64, events: Sequence[Usage], days: Int64) -> NDArray[np.bool_]:
    """Which events are not among the last RECENT_IDS (id, day) pairs of their account, and remember them."""
    n = len(events)
    ids = np.array([_digest(e.event_id.encode()) for e in events], np.uint64)
    ids ^= days.astype(np.uint64) * _DAY_MIX
    ids[ids == 0] = 1  # 0 marks an empty slot
    known = store.hot["recent_ids"][rows] == ids[:, None]
    suspect = known.any(axis=1) if known.any() else np.zeros(n, np.bool_)  # mostly none is
    mixed = ids ^ (rows.astype(np.uint64) * _ROW_MIX)
    ordered = np.sort(mixed)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(twice):
        suspect |= np.isin(mixed, twice)
    new = np.ones(n, np.bool_)
    if suspect.any():  # an id came again: decide these accounts one event at a time, exactly
        one_by_one = np.isin(rows, rows[suspect])
        for i in np.flatnonzero(one_by_one).tolist():
            new[i] = _remember_one(store, int(rows[i]), ids[i])
        at = np.flatnonzero(~one_by_one)
        rows, ids = rows[at], ids[at]
    _remember(store, rows, ids)
    return new


def _remember_one(store: Store, row: int, id_: np.uint64) -> bool:
    recent = store.hot["recent_ids"][row]
    if (recent == id_).any():
        return False
    recent[int(store.hot["id_count"][row]) % RECENT_IDS] = id_
    store.hot["id_count"][row] += 1
    return True


def _remember(store: Store, rows: Int64, ids: UInt64) -> None:
    """Write ids into the ring of their account, in order; of more than a ring's worth only the newest are written."""
    if not len(rows):
        return
    order = np.argsort(
        rows.astype(np.uint16) if store.n <= 65_536 else rows, kind="stable"
    )  # 16 bits: radix sort
    grouped = rows[order]
    first = np.flatnonzero(np.concatenate(([True], grouped[1:] != grouped[:-1])))
    sizes = np.diff(np.concatenate((first, [len(grouped)])))
    rank = np.arange(len(grouped)) - np.repeat(first, sizes)
    position = store.hot["id_count"][grouped] + rank
    newest = rank >= np.repeat(sizes, sizes) - RECENT_IDS
    store.hot["recent_ids"][grouped[newest], position[newest] % RECENT_IDS] = ids[order][newest]
    store.hot["id_count"][grouped[first]] += sizes
