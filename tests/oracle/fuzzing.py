"""Inputs for the fuzzer: events of every type that are just valid, records that are wrong in one known way, and raw bytes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple

from tests.oracle.cast import NATURAL_SOURCE, ODD_IDS
from tests.oracle.histories import BAD_TIMES, enveloped, rfc3339
from tests.oracle.instants import DAY, HOUR
from tests.oracle.reading import FUTURE, MAX_VALUE, LogRecord
from tests.oracle.schema import ACTIONS

Value = Callable[[Random], Any]
NEIGHBOUR = "neighbour"
ACCOUNTS = ("fuzz", *(name for name in ODD_IDS if len(name) < 256))
UNKNOWN = object()
"""What a raw record is, only reading it tells."""


class Kind(NamedTuple):
    """Good values of a field, at its edges more often than not, and values it must not have."""

    good: Value
    bad: tuple[Any, ...]
    nullable: bool = True


class Input(NamedTuple):
    """A record and the reason it must be rejected for: None if it is an event, UNKNOWN if only reading it tells."""

    record: LogRecord
    reason: object


def _pick(*values: Any) -> Value:
    return lambda random: random.choice(values)


def _text(random: Random) -> str:
    return random.choice(
        (random.choice(ODD_IDS), f"t{random.randrange(30)}", "", "\u2028\x00\x1f", "z" * 256)
    )


def _id(random: Random) -> str:
    return random.choice((random.choice(ODD_IDS), f"i{random.randrange(30)}", "I"))


def _quantity(random: Random) -> float:
    return random.choice((0, 1, 0.0005, 0.0015, 1e9, -0.0, random.randrange(500), random.random() * 100))


def _counts(random: Random) -> dict[str, float]:
    return {_text(random): _quantity(random) for _ in range(random.randrange(4))}


def _stamp(random: Random) -> str:
    return rfc3339(random.randrange(0, 4_000_000_000_000))


TEXT = Kind(_text, (5, True, [], "x" * 257))
ID = Kind(_id, ("", 5, [], "x" * 257), nullable=False)
MAYBE_ID = ID._replace(nullable=True)
QUANTITY = Kind(_quantity, (-1, "1", True, 1e10, []), nullable=False)
COUNTS = Kind(_counts, ({"a": -1}, {"a": "1"}, [], 3, {"x" * 257: 1}))
COUNT = Kind(_pick(0, 1, 7, 300, 1000), (-1, 1.5, "3", 1_000_000_001, True, 1e300))
SURE_COUNT = COUNT._replace(nullable=False)
POSITIVE = Kind(_pick(0, 0.25, 1e300, 3), (-0.1, "1", True))
AMOUNT = Kind(_pick(-1e12, 1e12, 0, 19.99, 0.005, 2.675, 1200), (1e13, -1e13, "5", True))
REVENUE = Kind(_pick(1e12, 0, 19.99, 0.005, 2.675, 1200), (1e13, -0.01, "5", True))
PERCENT = Kind(_pick(0, 100, 33.3335, 50), (-0.1, 100.1, "50"))
DAYS_LATE = Kind(_pick(-36500, 36500, 0, 12), (36501, 1.5, "3"))
FLAG = Kind(_pick(True, False), (1, "true", 0.0))
SURE_FLAG = FLAG._replace(nullable=False)
STAMP = Kind(_stamp, ("2026-01-01", "x" * 41, 5))


def _enum(*values: str, nullable: bool = False) -> Kind:
    return Kind(_pick(*values), ("other", 5, "", values[0].upper()), nullable)


SCOPE = _enum("account", "subscription")
REASON = _enum("cancellation", "closure", "non_renewal", "switch", nullable=True)
REQUIRED: Mapping[str, Mapping[str, Kind]] = {
    "usage": {},
    "ticket": {"action": _enum(*ACTIONS["ticket"]), "ticket_id": ID},
    "invoice": {"action": _enum(*ACTIONS["invoice"]), "invoice_id": ID},
    "survey": {
        "kind": Kind(_pick("nps", "csat", "ces", "mood"), ("", 5, "x" * 65), nullable=False),
        "score": Kind(_pick(1, 2.5, 5), ("5", True, 1e13), nullable=False),
    },
    "account": {"action": _enum(*ACTIONS["account"])},
    "churn": {},
    "renewal": {},
    "engagement": {"channel": _enum("meeting", "email", "call", "marketing", "community", "knowledge_base", "training")},
    "milestone": {"kind": _enum("first_value", "onboarding_done", "goal_progress", "feature_declined", "strategy_change")},
    "override": {"reason": TEXT._replace(nullable=False), "author": ID, "expires_at": STAMP._replace(nullable=False)},
    "cost": {"kind": _enum("acquisition", "retention"), "amount": AMOUNT._replace(nullable=False)},
}  # fmt: skip
OPTIONAL: Mapping[str, Mapping[str, Kind]] = {
    "usage": {
        "quantity": QUANTITY, "feature": TEXT, "counts": COUNTS, "user_id": TEXT, "active_users": COUNT, "errors": SURE_COUNT,
        "duration_s": POSITIVE, "value_event": FLAG,
    },
    "ticket": {
        "priority": _enum("low", "normal", "high", "urgent", "medium", "critical", nullable=True), "escalated": SURE_FLAG,
        "complaint": SURE_FLAG, "category": TEXT, "topic": TEXT, "resolution_hours": POSITIVE,
    },
    "invoice": {"amount": AMOUNT, "currency": TEXT, "due_at": STAMP, "days_late": DAYS_LATE, "period_months": COUNT},
    "survey": {"response_id": MAYBE_ID, "respondent_id": MAYBE_ID, "ticket_id": MAYBE_ID, "respondent_role": TEXT},
    "account": {
        "tier": _enum("high_touch", "low_touch", "tech_touch", nullable=True), "segment": TEXT, "plan": TEXT, "mrr": REVENUE,
        "currency": Kind(_pick("EUR", "jpy", "KWD", "", "?"), (5, [])), "seats": COUNT, "notice_days": COUNT, "auto_renew": FLAG,
        "renewal_date": Kind(_pick("2026-08-01", "2026-06-03", "2026-02-30", "soon"), (5, "x" * 257)), "scope": SCOPE,
        "icp_fit": Kind(_pick(True, 0.5, "good", 3, 1e300), ([], {}, "x" * 257)), "reason_class": REASON, "name": TEXT,
    },
    "churn": {"scope": SCOPE, "reason_class": REASON, "mrr": REVENUE, "currency": TEXT},
    "renewal": {"scope": SCOPE, "mrr": REVENUE, "currency": TEXT},
    "engagement": {
        "direction": _enum("inbound", "outbound", "two_way", nullable=True), "contact_id": MAYBE_ID,
        "role": _enum("executive", "champion", "user", nullable=True), "departed": FLAG,
    },
    "milestone": {"value": PERCENT, "due_at": STAMP},
    "override": {"value": PERCENT},
    "cost": {"currency": TEXT},
}  # fmt: skip


def valid(random: Random, who: str, now: int, serial: int) -> dict[str, Any]:
    """An event of any type, a little older than `now`."""
    kind = random.choice(tuple(REQUIRED))
    time = now - random.choice(
        (0, 1, 999, random.randrange(HOUR), random.randrange(5 * DAY), 127 * DAY, 200 * DAY)
    )
    body: dict[str, Any] = {
        "type": kind,
        "event_id": f"e{serial - random.choice((0, 0, 0, 1, 9))}",
        "account_id": who,
    }
    body["ts"] = rfc3339(time)
    body |= {name: field.good(random) for name, field in REQUIRED[kind].items()}
    for name, field in OPTIONAL[kind].items():
        if random.random() < 0.4:
            body[name] = None if field.nullable and random.random() < 0.1 else field.good(random)
    if random.random() < 0.1:
        body["unheard_of"] = random.choice((None, {"deep": [[[{}]]]}, 1e300, "x" * 5000))
    return body


def wrong_field(random: Random, body: dict[str, Any]) -> str:
    """Make one field wrong; returns the reason."""
    fields = {**REQUIRED[body["type"]], **OPTIONAL[body["type"]], "event_id": ID, "account_id": ID}
    name = random.choice(sorted(fields))
    sure = not fields[name].nullable
    value = random.choice((*fields[name].bad, None) if sure else fields[name].bad)
    if sure and name in {**REQUIRED[body["type"]], "event_id": ID} and random.random() < 0.2:
        body.pop(name)
        return "invalid"
    body[name] = value
    if name == "action" and isinstance(value, str):
        return "unknown_action"
    return "invalid"


def fuzzed(random: Random, source: int, offset: int, now: int, serial: int) -> Input:
    """One input: a neighbour's event, a valid one, one that is wrong in a known way, or raw bytes."""
    who = NEIGHBOUR if random.random() < 0.1 else random.choice(ACCOUNTS)
    body = valid(random, who, now, serial)
    choice = 0.0 if who == NEIGHBOUR else random.random()
    if choice < 0.5:
        key, value, reason = who.encode(), _written(random, body), None
    elif choice < 0.75:
        key, value, reason = _wrong(random, who, body, now)
    else:
        key, value, reason = who.encode(), raw(random, _written(random, body)), UNKNOWN
        while repeats(value):  # which of them counts, JSON leaves open
            value = raw(random, _written(random, body))
    if body["type"] in NATURAL_SOURCE and random.random() < 0.5:
        source = NATURAL_SOURCE[body["type"]]
    return Input(LogRecord(source, offset, now, key, value), reason)


def _written(random: Random, body: dict[str, Any]) -> bytes:
    text = json.dumps(
        body, ensure_ascii=random.random() < 0.5, indent=random.choice((None, None, None, 1))
    ).encode()
    return enveloped(text) if random.random() < 0.05 else text


def _wrong(
    random: Random, who: str, body: dict[str, Any], now: int
) -> tuple[bytes | None, bytes | None, str]:
    key = who.encode()
    if random.random() < 0.6:
        reason = wrong_field(random, body)
        return key, json.dumps(body).encode(), reason

    def with_fields(**changes: Any) -> bytes:
        return json.dumps(body | changes).encode()

    faults: tuple[tuple[bytes | None, bytes | None, str], ...] = (
        (None, random.choice((None, b"{", with_fields())), "missing_key"),
        (key, random.choice((None, b"", b"{", b"nul", b"\xff\xfe", with_fields()[:-1], with_fields() + b"}")), "malformed"),
        (key, random.choice((b"[]", b"5", b'"text"', b"null", b"true")), "invalid"),
        (key, with_fields(type=random.choice(("purchase", "", "Usage", None, 5, [], {}))), "unknown_type"),
        (key, with_fields(ts=random.choice(BAD_TIMES)), "bad_timestamp"),
        (key, with_fields(ts=random.choice(("short", 5, None, "x" * 41))), "invalid"),
        (key + b"?", with_fields(), "key_mismatch"),
        (key, with_fields(ts=rfc3339(now + FUTURE + random.choice((1, DAY, 70 * 365 * DAY)))), "future"),
        (key, with_fields(type="survey", kind="nps", score=11), "out_of_range"),
    )  # fmt: skip
    if random.random() < 0.002:
        return key, with_fields().ljust(MAX_VALUE + 1), "too_large"
    return random.choice(faults)


def repeats(value: bytes) -> bool:
    """Whether a name comes twice in one object."""
    found: list[bool] = []

    def pairs(told: list[tuple[str, Any]]) -> dict[str, Any]:
        found.append(len({name for name, _ in told}) < len(told))
        return dict(told)

    with contextlib.suppress(ValueError):
        json.loads(value.decode(errors="replace"), object_pairs_hook=pairs)
    return any(found)


def raw(random: Random, text: bytes) -> bytes:
    """Bytes near an event, or nothing of the kind."""
    if random.random() < 0.1:
        return random.randbytes(random.randrange(60))
    out = bytearray(text)
    for _ in range(random.choice((1, 1, 2, 8))):
        at = random.randrange(len(out) + 1)
        match random.randrange(6):
            case 0 if at < len(out):
                out[at] ^= 1 << random.randrange(8)
            case 1 if at < len(out):
                del out[at : at + random.choice((1, 1, 5, 50))]
            case 2:
                out[at:at] = random.choice(
                    (b'"', b"{", b"}", b",", b"0", b"-", b"e9", b"\\", b"\\u00", b"null", b"\x00", b" ")
                )
            case 3:
                piece = random.randrange(len(out) + 1)
                out[at:at] = out[piece : piece + random.randrange(40)]
            case 4 if at < len(out):
                out[at] = random.randrange(256)
            case _:
                out[at:at] = random.choice(
                    (
                        b"1e400",
                        b"-0",
                        b"00",
                        b"1E5",
                        b"9" * 30,
                        b"true",
                        b"[]",
                        b'"a":1,',
                        b"NaN",
                        b"Infinity",
                    )
                )
    return bytes(out)
