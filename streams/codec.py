"""Bytes to events: whole chunks at once, and a reason for every record that is not one."""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.events import (
    EVENT_TYPES,
    MAX_VALUE_BYTES,
    TYPE_NAMES,
    AnyEvent,
    Invoice,
    Milestone,
    Override,
    Survey,
    decode,
    normalised_score,
)
from scoring.times import UNSET, Int64, parse, parse_column
from streams.envelope import unwrap

_CHECKED: Final = np.array([cls in (Survey, Invoice, Milestone, Override) for cls in EVENT_TYPES])
"""Types with content that the schema cannot check, by code."""
FUTURE_MS: Final = 10 * 60_000
Codes = NDArray[np.int8]
"""Event types as positions in EVENT_TYPES."""
CODE: Final = {cls: code for code, cls in enumerate(EVENT_TYPES)}


class Record(Protocol):
    """What a record of a batch gives: aiokafka's Cython record, or a line of a file."""

    @property
    def offset(self) -> int:
        """Position in its partition."""

    @property
    def timestamp(self) -> int:
        """Milliseconds UTC, set by the broker or the producer."""

    @property
    def key(self) -> bytes | None:
        """The account id as UTF-8."""

    @property
    def value(self) -> bytes | None:
        """The event as JSON."""


class Reject(NamedTuple):
    """A record that is no event: where it stood in the chunk, the reason, and what exactly is wrong."""

    place: int
    reason: str
    detail: str


class Decoded(NamedTuple):
    """The good events of a chunk as columns; `places` tells where they stood."""

    places: list[int]
    events: list[AnyEvent]
    times: Int64
    codes: Codes
    rejects: list[Reject]


class Admission:
    """Which keys belong to a partition. A key is checked once, when it is first seen."""

    def __init__(self, belongs: Callable[[bytes], bool]) -> None:
        self._belongs = belongs
        self._names: dict[bytes | None, str] = {}

    def all_known(self, keys: Sequence[bytes | None], names: Sequence[str]) -> bool:
        """Whether every key was admitted before under that account id."""
        return list(map(self._names.get, keys)) == names

    def refuse(self, key: bytes | None, account_id: str) -> tuple[str, str] | None:
        """Reason and detail if the record must not be folded, None if it may."""
        if key != account_id.encode():
            return "key_mismatch", f"key {key!r} is not account_id {account_id!r}"
        if account_id.startswith("\0"):
            return "invalid", "account_id starts with NUL, which is kept for the engine's own records"
        if not self._belongs(key):
            return (
                "wrong_partition",
                "the key belongs to another partition: the producer's partitioner is not murmur2",
            )
        if len(self._names) > 4_000_000:  # keys of accounts that were never folded must not fill the memory
            self._names.clear()
        self._names[key] = account_id
        return None


def decode_chunk(records: Sequence[Record], admission: Admission) -> Decoded:
    """Decode and check a chunk; never raises for what is in it."""
    rejects: list[Reject] = []
    values = [r.value for r in records]
    events = _decode_all(values)
    if events is None:
        index, events = _decode_one_by_one(values, records, rejects)
    else:
        index = list(range(len(events)))
    keys = [records[i].key for i in index] if rejects else [r.key for r in records]
    if not admission.all_known(keys, [e.account_id for e in events]):
        index, events = _admit(index, events, keys, admission, rejects)
    codes = _codes(events)
    times = parse_column([e.ts for e in events])
    stamps = np.array([records[i].timestamp for i in index], np.int64)
    bad = (times == UNSET) | (times > stamps + FUTURE_MS)
    for n in np.flatnonzero(_CHECKED[codes]).tolist():
        bad[n] |= _content_of_type(events[n]) is not None
    if bad.any():
        for n in np.flatnonzero(bad).tolist():
            late = (int(times[n]) - int(stamps[n])) // 1000
            future = "future", f"ts {events[n].ts} is {late} s after the record's own time"
            rejects.append(Reject(index[n], *(_content(events[n]) or future)))
        keep = np.flatnonzero(~bad)
        index, events = [index[n] for n in keep.tolist()], [events[n] for n in keep.tolist()]
        codes, times, stamps = codes[keep], times[keep], stamps[keep]
    return Decoded(index, events, np.minimum(times, stamps), codes, sorted(rejects))


def _codes(events: Sequence[AnyEvent]) -> Codes:
    kinds = set(map(type, events))
    if len(kinds) == 1:  # one type on a topic is the rule
        return np.full(len(events), CODE[kinds.pop()], np.int8)
    return np.array([CODE[type(e)] for e in events], np.int8)


def decode_one(value: bytes) -> AnyEvent:
    """One event, in an envelope or not. Raises msgspec.ValidationError, msgspec.DecodeError or UnicodeDecodeError."""
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
    if None in values or max(map(len, values), default=0) > MAX_VALUE_BYTES:  # type: ignore[arg-type]  # no None is left
        return None
    if not all(map(bytes.isascii, values)) and any(_not_text(v) for v in values):  # type: ignore[arg-type]  # as above
        return None
    try:
        return [decode(v) for v in values]  # type: ignore[arg-type]  # as above
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _not_text(value: bytes) -> str | None:
    """What is wrong with bytes that are no UTF-8: msgspec does not look at what it skips."""
    try:
        value.decode()
    except UnicodeDecodeError as error:
        return str(error)
    return None


def _decode_one_by_one(
    values: Sequence[bytes | None], records: Sequence[Record], rejects: list[Reject]
) -> tuple[list[int], list[AnyEvent]]:
    index, events = [], []
    for i, value in enumerate(values):
        reject = _refuse_bytes(records[i].key, value)
        if reject is None:
            try:
                events.append(decode_one(value or b""))
                index.append(i)
                continue
            except msgspec.ValidationError as error:
                reject = _reason(value or b"", str(error)), str(error)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                reject = "malformed", str(error)
        rejects.append(Reject(i, *reject))
    return index, events


def _refuse_bytes(key: bytes | None, value: bytes | None) -> tuple[str, str] | None:
    if key is None:
        return "missing_key", "the record has no key; it must be the account_id"
    if value is None:
        return "malformed", "the record has no value"
    if len(value) > MAX_VALUE_BYTES:
        return "too_large", f"{len(value)} bytes, at most {MAX_VALUE_BYTES}"
    wrong = _not_text(value)
    return None if wrong is None else ("malformed", wrong)


class _Head(msgspec.Struct):
    type: Any = None
    action: Any = None


_head = msgspec.json.Decoder(_Head).decode
_whole = msgspec.json.Decoder(msgspec.Raw).decode
_ACTIONS: Final = {
    name: frozenset(typing.get_args(typing.get_type_hints(cls)["action"]))
    for name, cls in zip(TYPE_NAMES, EVENT_TYPES, strict=True)
    if "action" in cls.__struct_fields__
}


def _reason(value: bytes, message: str) -> str:
    """Why a value is no event, or the event inside its envelope is none."""
    try:
        _whole(value)
        return _schema_reason(unwrap(value) or value, message)
    except msgspec.ValidationError:
        return "invalid"
    except (msgspec.DecodeError, RecursionError):  # something of a wrong type, and broken behind it
        return "malformed"


def _schema_reason(value: bytes, message: str) -> str:
    """An unknown type or action explains all that is wrong behind it, so it comes first."""
    try:
        head = _head(value)
    except msgspec.ValidationError:
        return "invalid"
    if (
        "expected `object`" in message.lower()
        or not isinstance(head.type, str)
        or head.type not in TYPE_NAMES
    ):
        return "unknown_type" if "expected `object`" not in message.lower() else "invalid"
    known = _ACTIONS.get(head.type)
    return (
        "unknown_action" if known and isinstance(head.action, str) and head.action not in known else "invalid"
    )


def _admit(
    index: list[int],
    events: list[AnyEvent],
    keys: Sequence[bytes | None],
    admission: Admission,
    rejects: list[Reject],
) -> tuple[list[int], list[AnyEvent]]:
    good: list[int] = []
    for n, (i, event) in enumerate(zip(index, events, strict=True)):
        reason = (
            ("missing_key", "the record has no key")
            if keys[n] is None
            else _content(event) or admission.refuse(keys[n], event.account_id)
        )
        if reason is None:
            good.append(n)
        else:
            rejects.append(Reject(i, *reason))
    return [index[n] for n in good], [events[n] for n in good]


def _content(event: AnyEvent) -> tuple[str, str] | None:
    """What the schema cannot say: times that are none, scores outside their scale."""
    return _not_a_time(event.ts) or _content_of_type(event)


def _not_a_time(text: str) -> tuple[str, str] | None:
    return (
        ("bad_timestamp", f"{text!r} is no RFC 3339 time with offset since 1970")
        if parse(text) == UNSET
        else None
    )


def _content_of_type(event: AnyEvent) -> tuple[str, str] | None:
    if isinstance(event, Invoice | Milestone) and event.due_at is not None:
        return _not_a_time(event.due_at)
    if isinstance(event, Override):
        return _not_a_time(event.expires_at)
    if isinstance(event, Survey) and normalised_score(event) is None:
        return "out_of_range", f"score {event.score:g} lies outside its scale"
    return None
