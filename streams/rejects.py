"""Why a record is no event: the reasons of dead letters, each with what exactly is wrong (docs/semantics.md, 1)."""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from scoring.events import (
    EVENT_TYPES,
    MAX_VALUE_BYTES,
    TYPE_NAMES,
    AnyEvent,
    Invoice,
    Milestone,
    Override,
    Survey,
    normalised_score,
)
from scoring.times import UNSET, parse
from streams.envelope import unwrap

Reason = tuple[str, str]
"""The name of a reason, and what exactly is wrong."""


class Reject(NamedTuple):
    """A record that is no event: where it stood in the chunk, the reason, and what exactly is wrong."""

    place: int
    reason: str
    detail: str


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


def of_bytes(key: bytes | None, value: bytes | None) -> Reason | None:
    """What is wrong before anything is decoded."""
    if key is None:
        return "missing_key", "the record has no key; it must be the account_id"
    if value is None:
        return "malformed", "the record has no value"
    if len(value) > MAX_VALUE_BYTES:
        return "too_large", f"{len(value)} bytes, at most {MAX_VALUE_BYTES}"
    wrong = not_text(value)
    return None if wrong is None else ("malformed", wrong)


def not_text(value: bytes) -> str | None:
    """What is wrong with bytes that are no UTF-8: msgspec does not look at what it skips."""
    try:
        value.decode()
    except UnicodeDecodeError as error:
        return str(error)
    return None


def of_schema(value: bytes, message: str) -> Reason:
    """Why JSON is no event, or the event inside its envelope is none; `message` is what msgspec said."""
    try:
        _whole(value)
        return _schema_reason(unwrap(value) or value, message), message
    except msgspec.ValidationError:
        return "invalid", message
    except (msgspec.DecodeError, RecursionError) as error:  # something of a wrong type, and broken behind it
        return "malformed", str(error)


def _schema_reason(value: bytes, message: str) -> str:
    """An unknown type or action explains all that is wrong behind it, so it comes first."""
    try:
        head = _head(value)
    except msgspec.ValidationError:
        return "invalid"
    if "expected `object`" in message.lower():
        return "invalid"
    if not isinstance(head.type, str) or head.type not in TYPE_NAMES:
        return "unknown_type"
    known = _ACTIONS.get(head.type)
    return (
        "unknown_action" if known and isinstance(head.action, str) and head.action not in known else "invalid"
    )


def of_time(text: str) -> Reason | None:
    """What is wrong with a timestamp."""
    if parse(text) == UNSET:
        return "bad_timestamp", f"{text!r} is no RFC 3339 time with offset since 1970"
    return None


def _of_due_at(event: Invoice | Milestone) -> Reason | None:
    return None if event.due_at is None else of_time(event.due_at)


def _of_override(event: Override) -> Reason | None:
    return of_time(event.expires_at)


def _of_survey(event: Survey) -> Reason | None:
    if normalised_score(event) is None:
        return "out_of_range", f"score {event.score:g} lies outside its scale"
    return None


_OF_TYPE: Final[dict[type, Callable[[Any], Reason | None]]] = {
    Invoice: _of_due_at,
    Milestone: _of_due_at,
    Override: _of_override,
    Survey: _of_survey,
}
"""What the schema cannot check, by type."""


def of_content(event: AnyEvent) -> Reason | None:
    """What the schema cannot say: times that are none, scores outside their scale."""
    check = _OF_TYPE.get(type(event))
    return of_time(event.ts) or (check(event) if check else None)


def faults_of_types(events: Sequence[AnyEvent], kinds: set[type]) -> dict[int, Reason]:
    """Place of each event of whose type-specific content something is wrong; `kinds` are the types among them."""
    if not kinds & _OF_TYPE.keys():
        return {}
    checks = [_OF_TYPE.get(type(e)) for e in events]
    return {
        n: reason
        for n, (event, check) in enumerate(zip(events, checks, strict=True))
        if check is not None and (reason := check(event)) is not None
    }
