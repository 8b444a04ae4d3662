"""Bytes to events: each record has one verdict, and the first reason that applies is the one that is told."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.events import MAX_VALUE_BYTES
from scoring.state import Store
from scoring.times import parse
from streams.codec import FUTURE_MS, Admission, decode_chunk
from tests.property.feeds import Record

NOW = parse("2025-06-01T00:00:00Z")
GOOD = {"type": "usage", "event_id": "1", "account_id": "acme", "ts": "2025-05-31T00:00:00Z"}
TICKET = {**GOOD, "type": "ticket", "action": "opened", "ticket_id": "T"}
SURVEY = {**GOOD, "type": "survey", "kind": "csat", "score": 4}
INVOICE = {**GOOD, "type": "invoice", "action": "issued", "invoice_id": "I"}
FUTURE = {"ts": "2025-06-01T00:10:00.001Z"}


def verdicts(*records: Record, here=lambda _: True) -> list[str | None]:
    decoded = decode_chunk(records, Admission(here, Store()))
    reasons = {r.place: r.reason for r in decoded.rejects}
    assert sorted([*decoded.places, *reasons]) == list(range(len(records)))
    return [reasons.get(i) for i in range(len(records))]


def rec(value: object, key: bytes | None = b"acme") -> Record:
    raw = value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
    return Record(0, NOW, key, raw)


def wrapped(kind: str, data: bytes) -> bytes:
    """An event in a CloudEvents envelope."""
    head = b'{"specversion":"1.0","id":"1","subject":"acme","time":"2025-05-31T00:00:00Z","type":"com.acme.'
    return head + kind.encode() + b'","data":' + data + b"}"


REASONS = [
    ("missing_key", rec(b"{", key=None)),
    ("missing_key", rec({**GOOD, "quantity": -1}, key=None)),
    ("missing_key", rec(GOOD, key=None)),
    ("malformed", rec(None)),
    ("malformed", rec(b"")),
    ("malformed", rec(b"{" + b" " * 10)),
    ("malformed", rec(b'{"type": "usage", "event_id": "\xff"}')),
    ("malformed", rec(b'{"type": "usage", "x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}")),
    ("too_large", rec(b"x" * (MAX_VALUE_BYTES + 1))),
    ("unknown_type", rec({**GOOD, "type": "weather", "quantity": -1})),
    ("unknown_type", rec({k: v for k, v in GOOD.items() if k != "type"})),
    ("unknown_type", rec({**GOOD, "type": 7})),
    ("unknown_action", rec({**TICKET, "action": "painted", "ticket_id": 7})),
    ("unknown_action", rec(wrapped("invoice", b'{"action":"painted","invoice_id":"I","days_late":1e900}'))),
    ("invalid", rec([GOOD])),
    ("invalid", rec(wrapped("usage", b'{"quantity":1e900}'))),
    ("invalid", rec(wrapped("usage", b"[]"))),
    ("invalid", rec({**TICKET, "action": None})),
    ("invalid", rec({**GOOD, "quantity": None})),
    ("invalid", rec({**GOOD, "quantity": "3"})),
    ("invalid", rec({**GOOD, "quantity": -0.001})),
    ("invalid", rec({**GOOD, "type": "account", "action": "updated", "mrr": -0.01})),
    ("invalid", rec({**GOOD, "event_id": ""})),
    ("invalid", rec({**GOOD, "feature": "x" * 257})),
    ("invalid", rec({**GOOD, "ts": "2025"})),
    ("invalid", rec({**SURVEY, "score": None, "ts": "not a time at all....."})),
    ("bad_timestamp", rec({**GOOD, "ts": "2025-02-30T00:00:00Z"})),
    ("bad_timestamp", rec({**GOOD, "ts": "1969-12-31T23:59:59Z"}, key=b"other")),
    ("bad_timestamp", rec({**GOOD, "ts": "2025-05-31T00:00:00.00"})),
    ("bad_timestamp", rec({**INVOICE, "due_at": "2025-02-30T00:00:00Z"})),
    ("bad_timestamp", rec({**SURVEY, "score": 9, "ts": "2025-02-30T00:00:00Z"})),
    ("out_of_range", rec({**SURVEY, "score": 5.001}, key=b"other")),
    ("out_of_range", rec({**SURVEY, "score": 3, "scale_min": 3, "scale_max": 3})),
    ("out_of_range", rec({**SURVEY, "score": 9, **FUTURE})),
    ("key_mismatch", rec(GOOD, key=b"other")),
    ("key_mismatch", rec({**GOOD, **FUTURE}, key=b"other")),
    ("future", rec({**GOOD, **FUTURE})),
    (None, rec({**GOOD, "ts": "2025-06-01T00:10:00Z"})),
    (None, rec({**GOOD, "colour": "blue"})),
    (None, rec(wrapped("usage", b'{"colour":1e900}'))),
    (None, rec({**TICKET, "priority": "critical"})),
    (None, rec({**SURVEY, "score": 5})),
    (None, rec(GOOD)),
]


@pytest.mark.parametrize(("reason", "one"), REASONS)
def test_first_reason(reason, one):
    """A record with several faults is rejected with the first reason of docs/semantics.md, alone or among good ones."""
    assert verdicts(one) == [reason]
    assert verdicts(rec(GOOD), one, rec(SURVEY)) == [None, reason, None]


def test_wrong_partition_comes_before_future():
    """A key of another partition is told before the time is, and after the key was compared."""
    elsewhere = lambda _: False  # noqa: E731
    assert verdicts(rec({**GOOD, **FUTURE}), here=elsewhere) == ["wrong_partition"]
    assert verdicts(rec(GOOD, key=b"other"), here=elsewhere) == ["key_mismatch"]


@given(order=st.permutations(REASONS))
def test_neighbours_do_not_matter(order):
    """What becomes of a record depends on itself alone, not on what else is in its chunk."""
    assert verdicts(*(one for _, one in order)) == [reason for reason, _ in order]


@given(
    values=st.lists(
        st.binary(max_size=40) | st.none() | st.sampled_from([json.dumps(GOOD).encode()]),
        min_size=1,
        max_size=8,
    )
)
def test_never_raises(values):
    """Any bytes have a verdict."""
    verdicts(*(rec(v) for v in values))


def test_known_keys_are_still_compared():
    """A key that was admitted before does not let a record of another account through."""
    admission = Admission(lambda _: True, Store())
    assert not decode_chunk([rec(GOOD)], admission).rejects
    again = decode_chunk([rec(GOOD), rec({**GOOD, "account_id": "globex"})], admission)
    assert [(r.place, r.reason) for r in again.rejects] == [(1, "key_mismatch")]


def test_time_is_that_of_arrival_at_most():
    """An event that is dated up to ten minutes ahead counts from its arrival."""
    ahead = {**GOOD, "ts": "2025-06-01T00:05:00Z"}
    assert FUTURE_MS == 600_000
    assert decode_chunk([rec(ahead), rec(GOOD)], Admission(lambda _: True, Store())).times.tolist() == [
        NOW,
        parse(GOOD["ts"]),
    ]


def test_details_name_the_fault():
    """The detail of a rejected record says what is wrong and where."""
    decoded = decode_chunk(
        [rec({**GOOD, "quantity": "3"}), rec(GOOD, key=b"other")], Admission(lambda _: True, Store())
    )
    assert "$.quantity" in decoded.rejects[0].detail
    assert "other" in decoded.rejects[1].detail
