"""The reference, case by case with numbers worked out by hand: records, clock, fates."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from tests.oracle.instants import DAY, HOUR, MINUTE, SECOND
from tests.oracle.logbook import NEW_YEAR, Log, account_of, answered, score_at
from tests.oracle.models import DEFAULT_MODEL
from tests.oracle.reference import LogRecord, run

USAGE = {"type": "usage", "event_id": "e", "account_id": "a", "ts": "2026-01-01T00:00:00Z"}
TICKET = USAGE | {"type": "ticket", "action": "opened", "ticket_id": "T"}
SURVEY = USAGE | {"type": "survey", "kind": "nps", "score": 7}
MILESTONE = USAGE | {"type": "milestone", "kind": "goal_progress"}
OVERRIDE = USAGE | {"type": "override", "reason": "", "author": "x", "expires_at": "2026-02-01T00:00:00Z"}
ENVELOPE = {
    "specversion": "1.0", "source": "/crm", "id": "e", "subject": "a", "time": "2026-01-01T00:00:00Z",
    "type": "com.acme.engagement", "data": {"channel": "call"},
}  # fmt: skip


RECORDS: list[tuple[str | None, bytes | None, Any]] = [
    ("missing_key", None, b"x" * (1 << 21)),
    ("too_large", b"a", json.dumps(USAGE).encode().ljust((1 << 20) + 1)),
    ("malformed", b"a", None),
    ("malformed", b"a", b'{"type": '),
    ("unknown_type", b"a", USAGE | {"type": "order", "event_id": 5}),
    ("unknown_action", b"a", TICKET | {"action": "sold", "event_id": 5}),
    ("invalid", b"a", USAGE | {"quantity": -1, "ts": "2026-02-30T00:00:00Z"}),
    ("bad_timestamp", b"b", SURVEY | {"score": 11, "ts": "2026-02-30T00:00:00Z"}),
    ("out_of_range", b"b", SURVEY | {"score": 10.001}),
    ("out_of_range", b"a", SURVEY | {"kind": "mood", "score": 1, "scale_min": 1, "scale_max": 1}),
    ("key_mismatch", b"b", USAGE | {"ts": "2026-01-02T00:00:00Z"}),
    ("future", b"a", USAGE | {"ts": "2026-01-01T00:10:00.001Z"}),
    (None, b"a", USAGE | {"ts": "2026-01-01T00:10:00Z"}),
    (None, b"a", json.dumps(USAGE).encode().ljust(1 << 20)),
    (None, b"a", USAGE | {"ts": "2026-01-01T05:30:00.1239+05:30"}),
    (None, b"a", USAGE | {"ts": "2026-01-01t00:00:00z"}),
    ("unknown_type", b"a", {"account_id": "a"}),
    ("unknown_type", b"a", USAGE | {"type": 5}),
    ("invalid", b"a", b"[]"),
    ("invalid", b"a", USAGE | {"type": "engagement", "channel": "fax"}),
    ("invalid", b"a", MILESTONE | {"value": 100.1}),
    ("invalid", b"a", OVERRIDE | {"author": ""}),
    ("invalid", b"a", USAGE | {"type": "cost", "kind": "retention"}),
    ("bad_timestamp", b"a", MILESTONE | {"due_at": "2026-02-30T00:00:00Z"}),
    ("bad_timestamp", b"a", OVERRIDE | {"expires_at": "2026-W05-1T00:00:00Z"}),
    ("bad_timestamp", b"a", USAGE | {"ts": "2026-01-01 00:00:00Z"}),
    ("bad_timestamp", b"a", USAGE | {"ts": "1970-01-01T00:59:59+01:00"}),
    (None, b"a", MILESTONE | {"value": 100, "due_at": "1970-01-01T00:00:00Z"}),
    (None, b"a", OVERRIDE),
    (None, b"a", ENVELOPE),
    (None, b"a", USAGE | {"specversion": 1, "data": None}),
    ("invalid", b"a", ENVELOPE | {"data": "call"}),
    ("invalid", b"a", {name: value for name, value in ENVELOPE.items() if name != "data"}),
    ("invalid", b"a", ENVELOPE | {"subject": None}),
    ("invalid", b"a", ENVELOPE | {"specversion": 1.0}),
    ("unknown_type", b"a", ENVELOPE | {"type": "com.acme.fax"}),
    ("unknown_type", b"a", ENVELOPE | {"data": {"type": None, "channel": "call"}}),
    ("bad_timestamp", b"a", ENVELOPE | {"time": "2026-01-01T00:00:00.000"}),
    ("key_mismatch", b"a", ENVELOPE | {"data": {"account_id": "b", "channel": "call"}}),
]
"""Reason or None, key and value of records that come at the new year."""


NAMES = [f"{place}-{reason}" for place, (reason, _, _) in enumerate(RECORDS)]


def value_of(value: Any) -> bytes | None:
    """The bytes of a record."""
    return json.dumps(value).encode() if isinstance(value, dict) else value


@pytest.mark.parametrize(("reason", "key", "value"), RECORDS, ids=NAMES)
def test_the_first_reason_that_applies_rejects_a_record(
    reason: str | None, key: bytes | None, value: Any
) -> None:
    """Each reason is given when it is the first that applies, and never without cause."""
    out = run([LogRecord(0, 0, NEW_YEAR, key, value_of(value))], model=DEFAULT_MODEL, tick=HOUR, grace=0)
    assert dict(out.dead) == ({reason: 1} if reason else {})
    assert sum(out.fates.values()) == (reason is None)


def test_a_key_of_another_partition_is_rejected() -> None:
    """`wrong_partition` comes after `key_mismatch`."""
    log = Log()
    log.add("usage", "2026-01-01")
    out = run(log.records, model=DEFAULT_MODEL, tick=HOUR, grace=0, partition=lambda key: key != b"a")
    assert dict(out.dead) == {"wrong_partition": 1}


def test_an_event_happened_no_later_than_its_record() -> None:
    """The time is min(ts, Kafka timestamp) without finer digits than milliseconds."""
    log = Log()
    log.add("usage", "2026-01-01T10:09:00", at="2026-01-01T10:00:00")
    record = log.records[0]
    log.append(0, record.timestamp, b"a", json.dumps(USAGE | {"ts": "2026-01-01T09:00:00.1239Z"}).encode())
    account = account_of(log)
    assert account["last_seen"] == {"usage": NEW_YEAR + 10 * HOUR}
    assert account["first_ts"] == NEW_YEAR + 9 * HOUR + 123


def test_an_envelope_fills_in_what_its_data_does_not_say() -> None:
    """Id, subject, time and the last part of the type; what the data says itself stays."""
    log = Log()
    own = {"type": "usage", "ts": "2025-12-31T23:00:00Z", "quantity": 2}
    for data in ({"channel": "call"}, own, own):
        log.append(0, NEW_YEAR, b"a", json.dumps(ENVELOPE | {"data": data}).encode())
    account = account_of(log)
    assert account["last_seen"] == {"engagement": NEW_YEAR, "usage": NEW_YEAR - HOUR}
    assert (account["usage"], log.fates(DEFAULT_MODEL)) == ({20453: 2000}, {"applied": 2, "duplicate": 1})


def test_an_event_counts_from_the_first_tick_at_or_after_its_time() -> None:
    """10:00:00.000 counts from 10:00, a millisecond later from 11:00; the first tick is the smallest."""
    log = Log()
    log.add("usage", NEW_YEAR + 10 * HOUR)
    log.add("usage", NEW_YEAR + 10 * HOUR + 1, "b")
    out = log.told(DEFAULT_MODEL)
    seen = [(line.account_id, (line.as_of - NEW_YEAR) // HOUR) for line in out.ticks]
    assert seen == [("a", 10), ("a", 11), ("b", 11)]


def test_an_event_behind_the_grace_counts_from_the_next_tick_that_can_be_told() -> None:
    """With M = 12:30 and 10 min of grace, 8:00 counts from ceil(12:20) = 13:00; rejects move nothing."""
    log = Log()
    log.add("usage", "2026-01-01T08:30")
    log.add("usage", "2026-01-01T12:30")
    log.append(0, NEW_YEAR + 13 * HOUR, b"b", json.dumps(USAGE | {"ts": "2026-01-01T12:59:00Z"}).encode())
    log.add("usage", "2026-01-01T12:00", "c", at="2026-01-01T13:00")
    log.add("usage", "2026-01-01T08:00", "b", at="2026-01-01T13:00")
    out = log.told(DEFAULT_MODEL, grace=10 * MINUTE, until="2026-01-01T14:00")
    first = {line.account_id: (line.as_of - NEW_YEAR) // HOUR for line in reversed(out.ticks)}
    assert first == {"a": 9, "b": 13, "c": 13}


def test_ticks_between_full_hours_evaluate_who_was_touched() -> None:
    """On a grid of a minute, 10:10:30 counts from 10:11 for its account alone; 11:00 is for everybody."""
    log = Log()
    log.add("usage", NEW_YEAR + 10 * HOUR + 10 * MINUTE + 30 * SECOND)
    log.add("usage", NEW_YEAR + 10 * HOUR + 20 * MINUTE, "b")
    out = log.told(DEFAULT_MODEL, tick=MINUTE, until="2026-01-01T11:00")
    seen = [(line.account_id, (line.as_of - NEW_YEAR) // MINUTE) for line in out.ticks]
    assert seen == [("a", 611), ("b", 620), ("a", 660), ("b", 660)]


def test_fates_fence_and_the_empty_account() -> None:
    """Late is day(time) <= day(K) - 128; read twice is replayed; the fence moves whatever the fate."""
    log = Log()
    log.add("usage", NEW_YEAR)
    log.add("usage", NEW_YEAR - 127 * DAY, at=NEW_YEAR)
    log.add("usage", NEW_YEAR - 127 * DAY - 1, at=NEW_YEAR)
    log.add("usage", NEW_YEAR - 200 * DAY, "b", at=NEW_YEAR)
    log.add("account", NEW_YEAR - 200 * DAY, "c", at=NEW_YEAR, action="created")
    log.add("usage", NEW_YEAR, event_id="e0")
    log.records.append(log.records[0])
    out = log.told(DEFAULT_MODEL)
    expected = {(0, "applied"): 2, (0, "late"): 2, (0, "duplicate"): 1, (0, "replayed"): 1, (4, "applied"): 1}
    assert dict(out.fates) == expected
    assert sorted(out.accounts) == ["a", "c"]  # nothing was ever applied to b
    assert out.accounts["a"]["fence"] == {"usage": 5}
    assert out.accounts["a"]["first_ts"] == NEW_YEAR - 127 * DAY


def test_shuffling_a_feed_within_the_grace_moves_nothing() -> None:
    """200 usage events a second apart, shuffled by less than the grace: same ticks, same account."""
    random, log = Random(5), Log()
    times = [NEW_YEAR + n * SECOND for n in range(1, 201)]
    for time in sorted(times, key=lambda t: t + random.randrange(30 * SECOND)):
        log.add("usage", time, at=NEW_YEAR + DAY, user_id=f"u{time % 7}", event_id=str(time))
    inorder = Log()
    for time in times:
        inorder.add("usage", time, user_id=f"u{time % 7}", event_id=str(time))
    clock: dict[str, Any] = {"tick": MINUTE, "grace": 30 * SECOND}
    one, other = log.told(DEFAULT_MODEL, **clock), inorder.told(DEFAULT_MODEL, **clock)
    assert one.ticks == other.ticks
    assert one.accounts == other.accounts


def test_the_score_of_a_tick_is_written_down() -> None:
    """One line per account and tick: score, band, coverage and dimensions."""
    log = Log()
    score_at(log, NEW_YEAR, 72)
    line = log.told(answered()).ticks[0]
    assert (line.account_id, line.as_of, line.score, line.band) == ("a", NEW_YEAR, 72_000, "green")
    assert (line.coverage, line.dimensions) == (1000, {"sentiment": 72_000})
