"""The reference, case by case with numbers worked out by hand: from records to folded accounts."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from tests.oracle.facts import bit
from tests.oracle.histories import scenario
from tests.oracle.instants import DAY, HOUR, MINUTE, SECOND, millis
from tests.oracle.logbook import DEFAULT_MODEL, Log, answered
from tests.oracle.reference import LogRecord, run

NEW_YEAR = millis("2026-01-01")  # day 20454, the first of week 2922, month 672
USAGE = {"type": "usage", "event_id": "e", "account_id": "a", "ts": "2026-01-01T00:00:00Z"}
TICKET = USAGE | {"type": "ticket", "action": "opened", "ticket_id": "T"}
SURVEY = USAGE | {"type": "survey", "kind": "nps", "score": 7}


def state(log: Log, until: str | None = None, tick: int = DAY, **clock: Any) -> dict[str, Any]:
    return log.told(DEFAULT_MODEL, until=until, tick=tick, **clock).accounts["a"]


def fates(log: Log, **clock: Any) -> dict[str, int]:
    counted: dict[str, int] = {}
    for (_, fate), n in log.told(DEFAULT_MODEL, **clock).fates.items():
        counted[fate] = counted.get(fate, 0) + n
    return counted


@pytest.mark.parametrize(
    ("reason", "key", "value"),
    [
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
    ],
)
def test_the_first_reason_that_applies_rejects_a_record(
    reason: str | None, key: bytes | None, value: Any
) -> None:
    """Each reason is given when it is the first that applies, and never without cause."""
    raw = json.dumps(value).encode() if isinstance(value, dict) else value
    out = run([LogRecord(0, 0, NEW_YEAR, key, raw)], model=DEFAULT_MODEL, tick=HOUR, grace=0)
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
    account = state(log)
    assert account["last_seen"] == {"usage": NEW_YEAR + 10 * HOUR}
    assert account["first_ts"] == NEW_YEAR + 9 * HOUR + 123


def test_an_event_counts_from_the_first_tick_at_or_after_its_time() -> None:
    """10:00:00.000 counts from 10:00, a millisecond later from 11:00; the first tick is the smallest."""
    log = Log()
    log.add("usage", NEW_YEAR + 10 * HOUR)
    log.add("usage", NEW_YEAR + 10 * HOUR + 1, "b")
    out = log.told(DEFAULT_MODEL)
    seen = [(line.account_id, (line.as_of - NEW_YEAR) // HOUR) for line in out.ticks]
    assert seen == [("a", 10), ("a", 11), ("b", 11)]


def test_an_event_behind_the_grace_counts_from_the_next_tick_that_can_be_told() -> None:
    """With M = 12:30 and a grace of 10 min, an event of 8:00 counts from ceil(12:20) = 13:00; rejects move nothing."""
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
    """On a grid of a minute, 10:10:30 counts from 10:11 for its account alone; at 11:00 everybody is evaluated."""
    log = Log()
    log.add("usage", NEW_YEAR + 10 * HOUR + 10 * MINUTE + 30 * SECOND)
    log.add("usage", NEW_YEAR + 10 * HOUR + 20 * MINUTE, "b")
    out = log.told(DEFAULT_MODEL, tick=MINUTE, until="2026-01-01T11:00")
    seen = [(line.account_id, (line.as_of - NEW_YEAR) // MINUTE) for line in out.ticks]
    assert seen == [("a", 611), ("b", 620), ("a", 660), ("b", 660)]


def test_fates_fence_and_the_empty_account() -> None:
    """Late is day(time) <= day(K) - 128; an event read twice is replayed; the fence moves whatever the fate."""
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


def test_usage_fills_rings_and_sketches() -> None:
    """Milli-units are rounded half to even; a quantity of 0 makes no day active; counts of 0 set no bit."""
    log = Log()
    log.add("usage", "2026-01-01", quantity=0.0015, errors=2, user_id="u", active_users=7)  # 1.5 -> 2
    log.add("usage", "2026-01-01T01:00", quantity=2.5, feature="f", counts={"g": 1, "h": 0}, active_users=3)
    log.add("usage", "2026-01-02", quantity=0.0005, value_event=False)  # 0.5 -> 0
    log.add("usage", "2026-01-03", value_event=True)
    account = state(log)
    assert (account["usage"], account["active"]) == ({20454: 2502, 20456: 1000}, [20454, 20456])
    assert (account["errors"], account["users_max"]) == ({20454: 2}, {2922: 7})
    assert account["features"] == {2922: sorted({bit("f", 64), bit("g", 64)})}
    assert account["users"] == {2922: [bit("u", 256)]}
    assert (account["value_tracked"], account["first_value_ts"]) == (True, NEW_YEAR + 2 * DAY)


def test_rings_end() -> None:
    """32 days later the errors are gone, 128 days later the usage, 5 weeks later the sketches."""
    log = Log()
    log.add("usage", "2026-01-01", errors=1, user_id="u")
    kept = [
        state(log, until)
        for until in ("2026-02-01", "2026-02-02", "2026-02-04", "2026-02-05", "2026-05-08", "2026-05-09")
    ]
    assert [bool(account["errors"]) for account in kept] == [True, False, False, False, False, False]
    assert [bool(account["users"]) for account in kept] == [True, True, True, False, False, False]
    assert [bool(account["usage"]) for account in kept] == [True, True, True, True, True, False]


def test_the_last_32_usage_ids_are_remembered_by_day() -> None:
    """The first of 33 events comes again: applied; the second: duplicate; on another day: applied."""
    log = Log()
    for n in range(33):
        log.add("usage", NEW_YEAR + n, event_id=f"u{n}")
    log.add("usage", NEW_YEAR + 1, event_id="u1")
    log.add("usage", NEW_YEAR, event_id="u0")
    log.add("usage", NEW_YEAR + DAY, event_id="u32")
    assert fates(log, tick=DAY) == {"applied": 35, "duplicate": 1}


def test_a_ticket_is_what_its_newest_events_say() -> None:
    """Closed before opened; ties in time go to the higher rank; what changes nothing is a duplicate."""
    log = Log()
    log.add("ticket", "2026-01-01T12:00", ticket_id="T", action="closed", priority="medium")
    log.add("ticket", "2026-01-01T10:00", ticket_id="T", action="opened", priority="urgent")
    log.add("ticket", "2026-01-01T12:00", ticket_id="T", action="reopened", priority="critical")
    log.add("ticket", "2026-01-01T11:00", ticket_id="T", action="updated", priority="low")
    log.add("ticket", "2026-01-01T13:00", ticket_id="T", action="updated", complaint=True, escalated=True)
    account, noon = state(log, grace=DAY), NEW_YEAR + 12 * HOUR
    ticket = account["ticket_map"]["T"]
    assert (ticket["opened_ts"], ticket["state"], ticket["state_ts"]) == (noon - 2 * HOUR, "closed", noon)
    assert (ticket["priority"], ticket["priority_ts"]) == ("urgent", noon)
    assert (ticket["complaint_ts"], ticket["reopened"], ticket["escalated"]) == (noon + HOUR, (noon,), True)
    assert account["tickets"] == {20454: 1}
    assert account["reopens"] == account["complaints"] == {2922: 1}
    assert fates(log, tick=DAY, grace=DAY) == {"applied": 4, "duplicate": 1}


def test_of_times_reopened_the_largest_eight_count() -> None:
    """Nine reopenings, the first of them a week earlier: its week counts it no longer."""
    log = Log()
    log.add("ticket", "2025-12-31", ticket_id="T", action="reopened")
    for n in range(8):
        log.add("ticket", NEW_YEAR + n, ticket_id="T", action="reopened")
    assert state(log)["reopens"] == {2922: 8}


def test_closed_tickets_are_forgotten_and_stay_counted() -> None:
    """Closed on day 0: known until day 127, forgotten on day 128; its reopening still counts in the weekly ring."""
    log = Log()
    log.add("ticket", "2026-01-01", ticket_id="T", action="reopened")
    log.add("ticket", "2026-01-01T01:00", ticket_id="T", action="closed")
    log.add("ticket", "2026-01-01", ticket_id="U", action="opened")
    kept, dropped = state(log, "2026-05-08"), state(log, "2026-05-09")  # days 127 and 128
    assert (sorted(kept["ticket_map"]), sorted(dropped["ticket_map"])) == (["T", "U"], ["U"])
    assert (kept["tickets"], dropped["tickets"]) == ({20454: 1}, {})
    assert kept["reopens"] == dropped["reopens"] == {2922: 1}
    assert state(log, "2026-08-12")["reopens"] == {2922: 1}  # the last day of week 2953
    assert state(log, "2026-08-13")["reopens"] == {}


def test_an_invoice_is_paid_late_a_day_after_it_was_due() -> None:
    """`due_at` decides if known, `days_late` otherwise; due dates that become known later count back."""
    log = Log()
    log.add("invoice", "2026-01-09", invoice_id="I", action="paid", due_at=NEW_YEAR + 7 * DAY)
    log.add(
        "invoice", "2026-01-09", invoice_id="J", action="paid", due_at=NEW_YEAR + 7 * DAY + 1, days_late=9
    )
    log.add("invoice", "2026-01-09", invoice_id="K", action="paid", days_late=1)
    log.add("invoice", "2026-01-09", invoice_id="L", action="paid", days_late=0)
    assert state(log)["late"] == {2923: 2}  # I and K
    log.add("invoice", "2026-01-10", invoice_id="L", action="refunded", due_at=NEW_YEAR)
    log.add("invoice", "2026-01-10", invoice_id="I", action="voided", due_at=NEW_YEAR + 60 * DAY)
    account = state(log)
    assert account["late"] == {2923: 2}  # K and L
    assert account["invoice_map"]["L"]["status"] == "refunded"


def test_troubles_of_an_invoice_are_counted_and_ties_go_to_the_higher_rank() -> None:
    """Two failures at different times, one repeated; of actions at one instant the one further on is the status."""
    log = Log()
    for action in ("payment_failed", "payment_failed", "disputed", "overdue"):
        log.add("invoice", "2026-01-01", invoice_id="I", action=action)
    log.add("invoice", "2026-01-02", invoice_id="I", action="payment_failed")
    log.add("invoice", "2026-01-01", invoice_id="I", action="disputed")
    account = state(log, grace=2 * DAY)
    assert (account["failures"], account["disputes"]) == ({2922: 2}, {2922: 1})
    assert account["invoice_map"]["I"]["status"] == "payment_failed"
    assert fates(log, grace=2 * DAY) == {"applied": 4, "duplicate": 2}
    log.records.pop(4)
    assert state(log, grace=2 * DAY)["invoice_map"]["I"]["status"] == "disputed"


def test_an_answer_counts_once_per_respondent_and_the_newest_32_are_kept() -> None:
    """(time, id) decides between answers of one respondent; of 34 respondents the two oldest go."""
    log = Log()
    log.add("survey", "2026-01-01", kind="nps", score=9, respondent_id="r", response_id="b")
    log.add("survey", "2026-01-01", kind="nps", score=3, respondent_id="r", response_id="a")
    log.add("survey", "2026-01-01", kind="csat", score=4, response_id="x")
    log.add("survey", "2026-01-01", kind="ces", score=0, scale_min=-5, scale_max=5, event_id="y")
    account = state(log)
    assert account["survey_map"] == {
        "nps": {"r": (NEW_YEAR, "b", 90_000)},
        "csat": {"x": (NEW_YEAR, "x", 75_000)},  # (4 - 1) / (5 - 1)
        "ces": {"y": (NEW_YEAR, "y", 50_000)},
    }
    assert fates(log) == {"applied": 3, "duplicate": 1}
    for n in range(33):
        log.add("survey", "2026-01-01T01:00", kind="nps", score=9, respondent_id=f"s{n:02}")
    assert list(state(log)["survey_map"]["nps"]) == [f"s{n:02}" for n in range(1, 33)]


def test_attributes_keep_their_newest_value() -> None:
    """Attributes and MRR months by time, then value; created is the earliest, started the latest."""
    log = Log()
    log.add("account", "2026-02-10", action="signup", plan="pro", mrr=100.5, currency="JPY")
    log.add("account", "2026-01-10", action="created", plan="free", mrr=250.125, currency="KWD", seats=9)
    log.add("account", "2026-01-10", action="updated", seats=10, auto_renew=True)
    log.add("account", "2026-02-11", action="churn_notice")
    account = state(log, grace=90 * DAY)
    assert account["attributes"] == {
        "auto_renew": True,
        "currency": "JPY",
        "mrr": 100,
        "plan": "pro",
        "seats": 9,
    }
    assert account["mrr_months"] == {672: 250_125, 673: 100}  # 100.5 yen -> 100; "10" < "9" as JSON
    assert account["created_ts"] == account["auto_renew_on_ts"] == NEW_YEAR + 9 * DAY
    assert (account["started_ts"], account["churn_notice_ts"]) == (NEW_YEAR + 40 * DAY, NEW_YEAR + 41 * DAY)
    assert fates(log, grace=90 * DAY) == {"applied": 4}


def test_outcomes_of_a_subscription_do_not_end_an_account() -> None:
    """Subscription scope and renewal move `last_seen` and nothing else; without even that they are duplicates."""
    log = Log()
    log.add("renewal", "2026-01-01")
    log.add("account", "2026-01-02", action="subscription_ended", scope="subscription")
    log.add("renewal", "2026-01-01T12:00")
    account = state(log, grace=DAY)
    assert (account["ended"], account["ended_ts"], account["last_seen"]) == (
        False,
        None,
        {"account": NEW_YEAR + DAY},
    )
    assert fates(log, grace=DAY) == {"applied": 3}  # each at a tick of its own
    assert fates(log, tick=DAY, grace=DAY) == {"applied": 2, "duplicate": 1}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("churn", {}),
        ("account", {"action": "subscription_ended", "plan": "gone"}),
        ("account", {"action": "observation_end"}),
    ],
)
def test_an_ended_account_is_not_scored(kind: str, fields: dict[str, Any]) -> None:
    """Usage after the end is dropped; a return begins a new term in which attributes and MRR of the last month stay."""
    log = Log()
    log.add("account", "2026-01-01", action="signup", plan="pro", mrr=5)
    log.add("account", "2026-02-01", action="updated", mrr=6)
    log.add("usage", "2026-02-01", event_id="u")
    log.add(kind, "2026-02-02", **fields)
    log.add("usage", "2026-02-03")
    ended = state(log, "2026-02-04")
    assert (ended["ended"], ended["band"], ended["score"], ended["usage"]) == (
        True,
        "ended",
        None,
        {20485: 1000},
    )
    log.add("usage", "2026-02-06T06:00")  # before the return, in its tick
    log.add("usage", "2026-02-06T18:00")
    log.add(
        "usage", "2026-02-01", event_id="u", at="2026-02-06T18:00"
    )  # held with them, then before the return
    log.add("account", "2026-02-06T12:00", action="subscription_started")
    back = state(log)
    returned = millis("2026-02-06T12:00")
    assert (back["ended"], back["term"], back["usage"]) == (False, 1, {20490: 1000})
    assert back["first_ts"] == back["created_ts"] == back["started_ts"] == returned
    assert (back["attributes"]["plan"], back["mrr_months"]) == ("pro", {673: 600})
    assert back["history"] == {}
    assert fates(log, tick=DAY) == {"applied": 9}


def test_an_end_and_a_return_within_one_tick_are_no_new_term() -> None:
    """The account was never ended at a tick; at equal times the end wins."""
    log = Log()
    log.add("usage", "2026-01-01")
    log.add("churn", "2026-01-02T10:00")
    log.add("account", "2026-01-02T11:00", action="signup")
    account = state(log)
    assert (account["term"], account["ended"], account["usage"]) == (0, False, {20454: 1000})
    log.add("churn", "2026-01-02T11:00")
    assert state(log)["ended"]


def test_shuffling_a_feed_within_the_grace_moves_nothing() -> None:
    """200 usage events a second apart, shuffled by less than the grace: the same ticks and the same account."""
    random, log = Random(5), Log()
    times = [NEW_YEAR + n * SECOND for n in range(1, 201)]
    for time in sorted(times, key=lambda t: t + random.randrange(30 * SECOND)):
        log.add("usage", time, at=NEW_YEAR + DAY, user_id=f"u{time % 7}", event_id=str(time))
    inorder = Log()
    for time in times:
        inorder.add("usage", time, user_id=f"u{time % 7}", event_id=str(time))
    clock = {"tick": MINUTE, "grace": 30 * SECOND}
    one, other = log.told(DEFAULT_MODEL, **clock), inorder.told(DEFAULT_MODEL, **clock)
    assert one.ticks == other.ticks
    assert one.accounts == other.accounts


def test_random_histories_hold_everything() -> None:
    """Forty of them reach every reject, fate, band, phase and a second term, and are the same when drawn again."""
    seen: set[str] = set()
    for seed in range(40):
        drawn = scenario(seed, events=120)
        out = run(drawn.records, model=DEFAULT_MODEL, tick=drawn.tick, grace=drawn.grace, until=drawn.until)
        seen |= {*out.dead, *(fate for _, fate in out.fates), *(line.band for line in out.ticks)}
        seen |= {f"{alert['rule']} {alert['phase']}" for alert in out.alerts}
        seen |= {f"term {min(account['term'], 2)}" for account in out.accounts.values()}
    assert scenario(7) == scenario(7)
    assert seen == {
        "missing_key", "too_large", "malformed", "unknown_type", "unknown_action", "invalid", "bad_timestamp", "out_of_range",
        "key_mismatch", "future", "late", "duplicate", "applied", "insufficient_data", "red", "amber", "green", "ended",
        "band_entered firing", "band_entered resolved", "complaint firing", "complaint resolved", "term 0", "term 1", "term 2",
    }  # fmt: skip


def test_the_score_of_a_tick_is_written_down() -> None:
    """One line per account and tick: score, band, coverage and dimensions."""
    log = Log()
    log.add("survey", "2026-01-01", kind="csat", score=72, scale_min=0, scale_max=100)
    line = log.told(answered()).ticks[0]
    assert (line.account_id, line.as_of, line.score, line.band) == ("a", NEW_YEAR, 72_000, "green")
    assert (line.coverage, line.dimensions) == (1000, {"sentiment": 72_000})
