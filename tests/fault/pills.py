"""Records that are no events, each with the reason it must be rejected for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from scoring.times import DAY, iso
from tests.fault.feeds import BUSY
from tests.plumbing.worker_group import PARTITIONS


class Pill(NamedTuple):
    """A record and where it goes."""

    reason: str
    partition: int
    key: bytes | None
    value: bytes | None


def pills(chance: Random, count: int, now: int) -> Iterator[Pill]:
    """Every kind in turn, in random order; `now` is about when they arrive, ms."""
    kinds = [kind for kind in KINDS for _ in range(count // len(KINDS) + 1)]
    chance.shuffle(kinds)
    for serial, kind in enumerate(kinds[:count]):
        partition = chance.randrange(PARTITIONS)
        who = BUSY[partition]
        event = {
            "type": "usage",
            "event_id": f"pill-{serial}",
            "account_id": who,
            "ts": iso(now - DAY),
            "quantity": 7,
        }
        yield KINDS[kind](partition, who.encode(), event, now)


def _pill(reason: str, **changes: Any):
    """A pill that is an event but for some fields."""

    def make(partition: int, key: bytes, event: dict[str, Any], _now: int) -> Pill:
        return Pill(reason, partition, key, json.dumps(event | changes).encode())

    return make


def _bytes(reason: str, value: bytes | None):
    """A pill of these very bytes."""
    return lambda partition, key, _event, _now: Pill(reason, partition, key, value)


KINDS = {
    "no key": lambda p, _key, event, _now: Pill("missing_key", p, None, json.dumps(event).encode()),
    "no key and no JSON": lambda p, _key, _event, _now: Pill("missing_key", p, None, b"{"),
    "no value": _bytes("malformed", None),
    "nothing": _bytes("malformed", b""),
    "half": _bytes("malformed", b'{"type": "usage", "event_id": "a"'),
    "not UTF-8": _bytes("malformed", b'{"type": "usage", "event_id": "\xff"}'),
    "a list": _bytes("invalid", b"[1, 2, 3]"),
    "a number": _bytes("invalid", b"5"),
    "5 MB": _bytes("too_large", b" " * 5_000_000),
    "a byte too long": lambda p, key, event, _now: Pill(
        "too_large", p, key, json.dumps(event).encode().ljust((1 << 20) + 1)
    ),
    "unknown type": _pill("unknown_type", type="purchase"),
    "no type": _pill("unknown_type", type=None),
    "unknown action": _pill("unknown_action", type="ticket", ticket_id="T", action="escalated"),
    "text for a number": _pill("invalid", quantity="7"),
    "negative": _pill("invalid", quantity=-1),
    "no id": _pill("invalid", event_id=""),
    "no time": _pill("bad_timestamp", ts="yesterday, about noon"),
    "no offset": _pill("bad_timestamp", ts="2026-01-01T12:00:00.000"),
    "before 1970": _pill("bad_timestamp", ts="1969-12-31T23:59:59Z"),
    "off the scale": _pill("out_of_range", type="survey", kind="nps", score=11),
    "another key": lambda p, key, event, _now: Pill(
        "key_mismatch", p, key + b"x", json.dumps(event).encode()
    ),
    "another partition": lambda p, key, event, _now: Pill(
        "wrong_partition", (p + 1) % PARTITIONS, key, json.dumps(event).encode()
    ),
    "in an hour": lambda p, key, event, now: Pill(
        "future", p, key, json.dumps(event | {"ts": iso(now + DAY // 24)}).encode()
    ),
    "in 2100": _pill("future", ts="2100-01-01T00:00:00Z"),
}
