"""What an event says beyond its contract is ignored, but counted and named once."""

import json

import pytest

from scoring.events import EVENT_TYPES
from scoring.state import Store
from scoring.times import parse
from streams.codec import Admission, decode_chunk
from streams.unknown_fields import _MOST_NAMED, UnknownFields
from tests.property.feeds import Record

NOW = parse("2025-06-01T00:00:00Z")
GOOD = {"type": "usage", "event_id": "1", "account_id": "acme", "ts": "2025-05-31T00:00:00Z"}
TICKET = {**GOOD, "type": "ticket", "action": "opened", "ticket_id": "T"}


def look(unknown: UnknownFields, *values: object) -> list[tuple[str, str]]:
    records = [
        Record(i, NOW, b"acme", v if isinstance(v, bytes) else json.dumps(v).encode())
        for i, v in enumerate(values)
    ]
    unknown.look(decode_chunk(records, Admission(lambda _: True, Store())))
    return unknown.untold()


def test_named_once_and_counted_each_time():
    unknown = UnknownFields()
    assert look(unknown, {**GOOD, "qty": 3, "actve_users": 4}) == [("usage", "actve_users"), ("usage", "qty")]
    assert look(unknown, {**GOOD, "qty": 5}) == []
    assert look(unknown, {**TICKET, "qty": 5}) == [("ticket", "qty")]
    assert unknown.events == {"usage": 2, "ticket": 1}


def test_what_the_contract_has_is_known():
    unknown = UnknownFields()
    assert look(unknown, {**GOOD, "quantity": 2, "feature": "f", "user_id": "u", "errors": 1}, TICKET) == []
    assert not unknown.events
    assert all(cls.__struct_config__.tag_field == "type" for cls in EVENT_TYPES)


def test_the_last_good_event_of_a_batch_is_looked_at():
    assert look(UnknownFields(), GOOD, {**GOOD, "qty": 1}, b"{") == [("usage", "qty")]
    assert look(UnknownFields(), b"{", b"") == []


@pytest.mark.parametrize(("data", "found"), [({}, []), ({"qty": 1}, [("usage", "qty")])])
def test_of_an_envelope_only_the_event_inside_counts(data, found):
    envelope = {
        "specversion": "1.0", "id": "1", "subject": "acme", "time": GOOD["ts"], "type": "com.acme.usage",
        "source": "/app", "data": data,
    }  # fmt: skip
    assert look(UnknownFields(), envelope) == found


@pytest.mark.parametrize("odd", [b"1e999", b'"\\ud83d\\ude00"', b"[" * 200 + b"]" * 200])
def test_what_is_ignored_may_hold_anything(odd):
    value = json.dumps(GOOD).encode()[:-1] + b', "odd": ' + odd + b"}"
    assert look(UnknownFields(), value) == [("usage", "odd")]


def test_names_are_bounded():
    unknown = UnknownFields()
    assert look(UnknownFields(), {**GOOD, "x" * 100_000: 1}) == [("usage", "x" * 256)]
    named = [pair for i in range(2 * _MOST_NAMED) for pair in look(unknown, {**GOOD, f"f{i}": 1})]
    assert len(named) == _MOST_NAMED
    assert unknown.events["usage"] == 2 * _MOST_NAMED
