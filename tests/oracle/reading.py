"""From a record of the log to an event, or to the reason why it is none (section 1)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from scoring.events import CURRENCY_DIGITS
from tests.oracle.instants import EPOCH, MINUTE
from tests.oracle.schema import ACTIONS, KNOWN_TYPES, fits_schema

MORE_TIMES = {"invoice": ("due_at",), "milestone": ("due_at",), "override": ("expires_at",)}
"""Fields beside `ts` that hold a time."""
ENVELOPE = {"specversion": "", "id": "event_id", "subject": "account_id", "time": "ts", "type": "type"}
"""Attributes of an envelope and the field each stands in for."""
MAX_VALUE = 1024 * 1024
FUTURE = 10 * MINUTE
SCALES = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
OTHER_SCALE = (0, 100)
RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)")

BelongsHere = Callable[[bytes], bool]


@dataclass(frozen=True)
class LogRecord:
    """A record of one partition: index of its source, its place there, Kafka timestamp (ms), key, value."""

    source: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True)
class Event:
    """A valid event at its place in the log: `kind` is its type or `outcome`, `body` its JSON fields."""

    source: int
    offset: int
    time: int
    kind: str
    event_id: str
    account_id: str
    body: dict[str, Any] = field(repr=False)


class RejectedError(Exception):
    """The record is a dead letter; the message is the reason."""


def read(record: LogRecord, belongs_here: BelongsHere | None = None) -> Event:
    """The event in a record; raises RejectedError with the first reason that applies."""
    if record.key is None:
        raise RejectedError("missing_key")
    body = _parse(record.value)
    if not fits_schema(body):
        raise RejectedError("invalid")
    stamp = instant(body["ts"])
    for name in MORE_TIMES.get(body["type"], ()):
        if body.get(name) is not None:
            body[name] = instant(body[name])
    if body["type"] == "survey" and normalised(body) is None:
        raise RejectedError("out_of_range")
    if record.key != body["account_id"].encode():
        raise RejectedError("key_mismatch")
    if belongs_here is not None and not belongs_here(record.key):
        raise RejectedError("wrong_partition")
    if stamp > record.timestamp + FUTURE:
        raise RejectedError("future")
    time = min(stamp, record.timestamp)
    return Event(record.source, record.offset, time, _kind(body), body["event_id"], body["account_id"], body)


def _parse(value: bytes | None) -> dict[str, Any]:
    if value is not None and len(value) > MAX_VALUE:
        raise RejectedError("too_large")
    try:
        body = json.loads((value or b"").decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:  # nested too deeply is no JSON to anybody
        raise RejectedError("malformed") from error
    if not isinstance(body, dict):
        raise RejectedError("invalid")
    if "specversion" in body and not _is_event(body):
        body = _unwrapped(body)
    if not _is_known(body.get("type")):
        raise RejectedError("unknown_type")
    action = body.get("action")
    if body["type"] in ACTIONS and isinstance(action, str) and action not in ACTIONS[body["type"]]:
        raise RejectedError("unknown_action")
    return body


def _is_known(name: object) -> bool:
    return isinstance(name, str) and name in KNOWN_TYPES


def _is_event(body: dict[str, Any]) -> bool:
    return _is_known(body.get("type")) and fits_schema(body)


def _unwrapped(envelope: dict[str, Any]) -> dict[str, Any]:
    """The event in a CloudEvents envelope; raises RejectedError("invalid") if it cannot be one."""
    attributes = {name: envelope[name] for name in ENVELOPE if name in envelope}
    if not isinstance(envelope.get("data"), dict) or not all(isinstance(v, str) for v in attributes.values()):
        raise RejectedError("invalid")
    said = {ENVELOPE[name]: value for name, value in attributes.items() if name != "specversion"}
    if "type" in said:
        said["type"] = said["type"].split(".")[-1]
    return {**said, **envelope["data"]}


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _kind(body: dict[str, Any]) -> str:
    outcomes = ("subscription_ended", "observation_end")
    if body["type"] in ("churn", "renewal") or (body["type"] == "account" and body["action"] in outcomes):
        return "outcome"
    return str(body["type"])


def ends_account(body: dict[str, Any]) -> bool:
    """Whether an outcome ends the account."""
    if body["type"] == "account" and body["action"] == "observation_end":
        return True
    return body["type"] != "renewal" and bool(body.get("scope", "account") == "account")


def instant(text: str) -> int:
    """RFC 3339 with offset as milliseconds, finer digits cut off; raises RejectedError("bad_timestamp")."""
    match = RFC3339.fullmatch(text)
    if not match:
        raise RejectedError("bad_timestamp")
    date, clock, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}{'+00:00' if zone in 'Zz' else zone}")
    except ValueError as error:
        raise RejectedError("bad_timestamp") from error
    time = (moment - EPOCH) // timedelta(milliseconds=1) + int((fraction or "0").ljust(3, "0")[:3])
    if time < 0:
        raise RejectedError("bad_timestamp")
    return time


def milli(number: float) -> int:
    """Thousandths, rounded half to even."""
    return round(number * 1000)


def minor(amount: float, currency: str | None) -> int:
    """Minor units of the currency, rounded half to even."""
    digits = CURRENCY_DIGITS.get((currency or "").upper(), 2)
    return round(amount * int(10**digits))


def normalised(survey: dict[str, Any]) -> int | None:
    """The answer on 0..100000; None outside its scale or on an empty scale."""
    default = SCALES.get(survey["kind"], OTHER_SCALE)
    given = (survey.get("scale_min"), survey.get("scale_max"))
    low, high = (milli(d if g is None else g) for d, g in zip(default, given, strict=True))
    score = milli(survey["score"])
    if low == high or not low <= score <= high:
        return None
    return (score - low) * 100_000 // (high - low)
