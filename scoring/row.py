"""The changelog row: version, fixed-width columns, rings packed to the width they need, msgpack tail.

Layout of version 2: `[version u1][usage code u1][errors code u1][counts code u1][touches code u1][tail bits u1]
[first day u2][hot][usage rings][errors rings][counts rings][touches rings][tail]`. A code is the bytes of one bucket
(0: the rings are empty), plus 16 if all usage buckets are whole units (stored divided by 1000). The bits are those of
`scoring.tails`; the first day is one more than that of the oldest of what is remembered for a while, 0 for nothing.
Both were 0 in the first releases: such a tail is decoded to see. `scoring.upgrade` reads earlier versions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.layout import MATRICES, blank, take_rows, words
from scoring.state import KEPT, Store, roll_columns
from scoring.tails import TOLD
from scoring.times import UNSET, Int64
from scoring.upgrade import COLUMNS, derive_new_columns, head_bytes, matrices_of, present_columns

ROW_VERSION: Final = 2
_HEAD: Final = 8
_BITS: Final = 5
"""Where in the head the bits of the tail are."""
_FIRST_DAY: Final = 3
"""Where the first day is, in pairs of bytes."""
_WHOLE: Final = 16
_UNSIGNED: Final[dict[int, np.dtype[Any]]] = {
    1: np.dtype("u1"),
    2: np.dtype("<u2"),
    4: np.dtype("<u4"),
    8: np.dtype("<i8"),
}

Pair = tuple[bytes, bytes]


class RowVersionError(Exception):
    """A changelog row of a newer version than this program writes: a downgrade, refused before anything is written."""


def _codes(matrix: NDArray[Any], widths: Sequence[int]) -> NDArray[np.uint8]:
    top = matrix.max(axis=1).astype(np.int64)
    code = np.full(len(matrix), widths[-1], np.uint8)
    for width in reversed(widths[:-1]):
        code[top < 1 << 8 * width] = width
    code[top == 0] = 0
    return code


def encode_rows(store: Store, rows: Int64) -> list[Pair]:
    """Changelog records of these rows as they stand: (key, value). Blocks of 256 to 1,024 rows are the quickest."""
    hot, usage = take_rows(store.hot, rows), store.rings["usage"][rows]
    hot["marks"] = store.mark[rows] & KEPT
    places = rows.tolist()
    tails = store.tails.pack_all(places, hot["tick"])
    errors, counts, touches = (store.rings[matrix][rows] for matrix in ("errors", "counts", "touches"))
    units = usage // 1000
    whole = (units * 1000 == usage).all(axis=1)
    usage = np.where(whole[:, None], units, usage)
    code = np.zeros((len(rows), _HEAD), np.uint8)
    code[:, 0] = ROW_VERSION
    code[:, 1] = _codes(usage, (1, 2, 4, 8)) | np.where(whole, _WHOLE, 0).astype(np.uint8)
    code[:, 2] = _codes(errors, (1, 4, 8))
    code[:, 3] = _codes(counts, (1, 2))
    code[:, 4] = _codes(touches, (1, 2))
    out: list[Pair] = [(b"", b"")] * len(rows)
    shapes, group = np.unique(code.view("<u8").reshape(-1), return_inverse=True)
    code[:, _BITS] = store.tails.bits(rows)
    code.view("<u2")[:, _FIRST_DAY] = store.first_days(rows)
    rings: list[NDArray[Any]] = [usage, errors, counts, touches]
    for g in range(len(shapes)):
        at = np.flatnonzero(group == g)
        head = code[at[0]]
        parts = [code[at], take_rows(hot, at).view(np.uint8).reshape(len(at), -1)]
        for matrix, width in zip(rings, _widths(head.tolist()), strict=True):
            if width:
                parts.append(
                    np.ascontiguousarray(matrix[at].astype(_UNSIGNED[width]))
                    .view(np.uint8)
                    .reshape(len(at), -1)
                )
        body = np.concatenate(parts, axis=1).tobytes()
        length = len(body) // len(at)
        for i, start in zip(at.tolist(), range(0, len(body), length), strict=True):
            out[i] = store.keys[places[i]], body[start : start + length] + tails[i]
    return out


def _widths(head: Sequence[int]) -> list[int]:
    """Bytes of a bucket, matrix by matrix."""
    return [head[1] % _WHOLE, *head[2:5]]


def restore_rows(store: Store, pairs: Sequence[tuple[bytes, bytes | None]]) -> Int64:
    """Put changelog records, in log order, back into a store; returns their rows. Tombstones blank an account.

    Raises:
        RowVersionError: a record was written by a newer version.
    """
    newest: dict[bytes, bytes | None] = dict(pairs)
    groups: dict[bytes, list[tuple[int, bytes]]] = defaultdict(list)
    rows = store.rows(list(newest), blank=False)
    for row, value in zip(rows, newest.values(), strict=True):
        if value is None:
            store.tails.drop(row)
            _blank(store, row)
            continue
        if value[0] > ROW_VERSION:
            raise RowVersionError(
                f"state row of version {value[0]}, this program reads up to {ROW_VERSION}: run the newer release"
            )
        groups[value[:_BITS] if value[0] > 1 else value[: head_bytes(1)]].append((row, value))
    for shape, members in groups.items():
        _restore_group(store, shape, members)
    return np.array(rows, np.int64)


def _blank(store: Store, row: int) -> None:
    store.hot[row] = blank()
    store.hot["day"][row] = store.day
    for rings in store.rings.values():
        rings.clear(row)


def _restore_group(store: Store, shape: bytes, members: Sequence[tuple[int, bytes]]) -> None:
    rows = np.array([row for row, _ in members], np.int64)
    version, columns = shape[0], COLUMNS[shape[0]]
    head = head_bytes(version)
    stored = dict(zip(matrices_of(version), _widths(shape), strict=False))
    at = head + columns.itemsize
    length = at + sum(width * MATRICES[m][0] for m, width in stored.items())
    body = np.frombuffer(b"".join([value[:length] for _, value in members]), np.uint8).reshape(-1, length)
    hot = body[:, head:at].copy().view(columns).reshape(-1)
    matrices: dict[str, NDArray[Any]] = {}
    for name, (buckets, _) in MATRICES.items():
        width = stored.get(name, 0)
        scale = 1000 if name == "usage" and shape[1] & _WHOLE else 1
        if not width:
            matrices[name] = np.zeros((len(rows), buckets), store.rings[name].narrowest(0))
            continue
        packed = np.ascontiguousarray(body[:, at : at + width * buckets]).view(_UNSIGNED[width])
        at += width * buckets
        matrices[name] = packed.astype(store.rings[name].narrowest(int(packed.max()) * scale))
        if scale > 1:
            matrices[name] *= scale
    _place(store, rows, present_columns(hot, version), matrices)
    if version == 1:
        _restore_untold(store, members, length)
        for row, _ in members:
            derive_new_columns(store, row)
    else:
        _restore_tails(store, rows, members, body, length)


def _restore_tails(
    store: Store, rows: Int64, members: Sequence[tuple[int, bytes]], body: NDArray[np.uint8], length: int
) -> None:  # fmt: skip
    told = body[:, _BITS] & TOLD != 0
    if not told.all():
        _restore_untold(store, [members[i] for i in np.flatnonzero(~told).tolist()], length)
    tails = {members[i][0]: members[i][1][length:] for i in np.flatnonzero(told).tolist()}
    store.tails.put_told(tails, body[told, _BITS])
    first = np.ascontiguousarray(body[:, 2 * _FIRST_DAY : _HEAD]).view("<u2").reshape(-1).astype(np.int64)
    known = told & (first > 0)
    store.expect_days(rows[known], first[known] - 1)


def _restore_untold(store: Store, members: Sequence[tuple[int, bytes]], at: int) -> None:
    """Tails of rows that do not tell what is in them: they are decoded to see."""
    for row, value in members:
        store.tails.drop(row)
        if len(value) > at:
            store.tails.put(row, value[at:], 0)
            if (oldest := store.tails[row].oldest()) != UNSET:
                store.expect(row, oldest)


def _place(store: Store, rows: Int64, hot: NDArray[Any], matrices: dict[str, NDArray[Any]]) -> None:
    """Rows written on different days: roll the store to the newest first, then every group to the day of the store."""
    store.roll(int(hot["day"].max()))  # before the rows are placed: rolling clears what it does not know
    days = np.unique(hot["day"]).tolist()
    for day in days:
        if len(days) == 1:  # the rule: nothing to pick out
            some, rings, to = hot, matrices, rows
        else:
            at = np.flatnonzero(hot["day"] == day)
            some, rings, to = take_rows(hot, at), {name: v[at] for name, v in matrices.items()}, rows[at]
        if day < store.day:
            roll_columns(some, rings, day, store.day)
        words(store.hot)[to] = words(some)
        store.mark[to] = some["marks"]
        for name, values in rings.items():
            store.rings[name].put(to, values)
