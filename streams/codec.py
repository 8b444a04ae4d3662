"""Bytes to events: whole chunks at once, and a reason for every record that is not one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.events import EVENT_TYPES, MAX_VALUE_BYTES, AnyEvent, decode
from scoring.state import Store
from scoring.times import UNSET, Int64, parse_column
from streams import rejects
from streams.envelope import unwrap
from streams.records import Record, Records
from streams.rejects import Reason, Reject

FUTURE_MS: Final = 10 * 60_000
Codes = NDArray[np.int8]
"""Event types as positions in EVENT_TYPES."""
CODE: Final = {cls: code for code, cls in enumerate(EVENT_TYPES)}
_NO_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are no JSON, or JSON nested deeper than anybody needs."""


class Decoded(NamedTuple):
    """The good events of a chunk as columns; `places` tells where they stood, `rows` which accounts they are of.

    `values` are their JSON.
    """

    places: Sequence[int]
    values: Sequence[bytes]
    rows: Int64
    events: list[AnyEvent]
    times: Int64
    codes: Codes
    rejects: list[Reject]


class Admission:
    """Which keys belong to a partition: those of accounts that have a row, others when they are first seen."""

    def __init__(self, belongs: Callable[[bytes], bool], store: Store) -> None:
        self._belongs = belongs
        self._store = store

    def rows(self, keys: Sequence[bytes | None], names: Sequence[str]) -> tuple[list[int], list[int]]:
        """The row of each key, -1 where there is none yet; and the places to look at: new keys, wrong names."""
        index: dict[bytes | None, int] = self._store.index  # type: ignore[assignment]  # None is only looked up
        rows = list(map(index.get, keys))
        if None not in rows and list(map(str.encode, names)) == keys:
            return rows, []  # type: ignore[return-value]  # no None is left
        known = [-1 if row is None else row for row in rows]
        odd = [n for n, row in enumerate(known) if row < 0 or names[n].encode() != keys[n]]
        return known, odd

    def refuse(self, key: bytes | None, account_id: str) -> Reason | None:
        """Reason if the record must not be folded, None if it may."""
        if key is None:
            return "missing_key", "the record has no key; it must be the account_id"
        if key != account_id.encode():
            return "key_mismatch", f"key {key!r} is not account_id {account_id!r}"
        if account_id.startswith("\0"):
            return "invalid", "account_id starts with NUL, which is kept for the engine's own records"
        if not self._belongs(key):
            return (
                "wrong_partition",
                "the key belongs to another partition: the producer's partitioner is not murmur2",
            )
        return None

    def add(self, key: bytes | None) -> int:
        """The row of an account, made when it is new."""
        return self._store.row(key or b"")


def decode_chunk(records: Sequence[Record], admission: Admission) -> Decoded:
    """Decode and check a chunk; never raises for what is in it."""
    columns = Records.of(records)
    values, keys, stamps = columns.values, columns.keys, columns.timestamps
    index: Sequence[int] = range(len(keys))
    refused: list[Reject] = []
    events = _decode_all(values)
    if events is None or None in keys:
        index, events = _decode_one_by_one(values, keys, refused)
        values, keys = [values[i] for i in index], [keys[i] for i in index]
    rows, odd = admission.rows(keys, [e.account_id for e in events])
    times = parse_column([e.ts for e in events])
    if refused:
        stamps = stamps[np.array(index, np.intp)]
    kinds = set(map(type, events))
    faults = _faults(events, keys, odd, times, stamps, kinds, admission)
    if faults:
        refused += [Reject(index[n], *reason) for n, reason in faults.items()]
        keep = [n for n in range(len(events)) if n not in faults]
        index, events = [index[n] for n in keep], [events[n] for n in keep]
        values, keys, rows = [values[n] for n in keep], [keys[n] for n in keep], [rows[n] for n in keep]
        times, stamps = times[keep], stamps[keep]
    if odd:
        rows = [admission.add(key) if row < 0 else row for key, row in zip(keys, rows, strict=True)]
    return Decoded(
        index, cast("list[bytes]", values), np.array(rows, np.int64), events, np.minimum(times, stamps),
        _codes(events, kinds), sorted(refused),
    )  # fmt: skip


def _faults(
    events: Sequence[AnyEvent], keys: Sequence[bytes | None], odd: Sequence[int], times: Int64, stamps: Int64,
    kinds: set[type], admission: Admission,
) -> dict[int, Reason]:  # fmt: skip
    """Place to the first reason that applies: content, then key, then time."""
    faults = rejects.faults_of_types(events, kinds)
    for n in np.flatnonzero(times == UNSET).tolist():
        faults[n] = rejects.of_content(events[n]) or ("bad_timestamp", "no time")
    for n in odd:
        reason = faults.get(n) or admission.refuse(keys[n], events[n].account_id)
        if reason is not None:
            faults[n] = reason
    for n in np.flatnonzero(times > stamps + FUTURE_MS).tolist():
        late = (int(times[n]) - int(stamps[n])) // 1000
        faults.setdefault(n, ("future", f"ts {events[n].ts} is {late} s after the record's own time"))
    return faults


def _codes(events: Sequence[AnyEvent], kinds: set[type]) -> Codes:
    if len(kinds) == 1:  # one type on a topic is the rule
        return np.full(len(events), CODE[next(iter(kinds))], np.int8)
    return np.array([CODE[type(e)] for e in events], np.int8)


def decode_one(value: bytes) -> AnyEvent:
    """One event, in an envelope or not. Raises msgspec.ValidationError, or what bytes that are no JSON raise."""
    try:
        event: AnyEvent = decode(value)
    except msgspec.ValidationError:
        inside = unwrap(value)
        if inside is None:
            raise
        event = decode(inside)
    return event


def _decode_all(values: Sequence[bytes | None]) -> list[AnyEvent] | None:
    """The events if all are good; None if some are not, to be told apart one by one."""
    try:
        joined = b"".join(values)  # type: ignore[arg-type]  # a None among them raises
    except TypeError:
        return None
    if len(joined) > MAX_VALUE_BYTES and max(map(len, values)) > MAX_VALUE_BYTES:  # type: ignore[arg-type]  # as above
        return None
    if not joined.isascii() and any(map(rejects.not_text, values)):  # type: ignore[arg-type]  # as above
        return None
    try:
        return list(map(decode, values))  # type: ignore[arg-type]  # as above
    except _NO_JSON:
        return None


def _decode_one_by_one(
    values: Sequence[bytes | None], keys: Sequence[bytes | None], refused: list[Reject]
) -> tuple[list[int], list[AnyEvent]]:
    index, events = [], []
    for i, (key, value) in enumerate(zip(keys, values, strict=True)):
        reason = rejects.of_bytes(key, value)
        if reason is None:
            try:
                events.append(decode_one(value or b""))
                index.append(i)
                continue
            except msgspec.ValidationError as error:
                reason = rejects.of_schema(value or b"", str(error))
            except _NO_JSON as error:
                reason = "malformed", str(error)
        refused.append(Reject(i, *reason))
    return index, events
