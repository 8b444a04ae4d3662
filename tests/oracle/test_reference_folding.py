"""The reference, case by case with numbers worked out by hand: what events make of an account."""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle.facts import bit
from tests.oracle.instants import DAY, HOUR, millis
from tests.oracle.logbook import NEW_YEAR, Log, account_of
from tests.oracle.models import DEFAULT_MODEL


def test_usage_fills_rings_and_sketches() -> None:
    """Milli-units are rounded half to even; a quantity of 0 makes no day active; counts of 0 set no bit."""
    log = Log()
    log.add("usage", "2026-01-01", quantity=0.0015, errors=2, user_id="u", active_users=7)  # 1.5 -> 2
    log.add("usage", "2026-01-01T01:00", quantity=2.5, feature="f", counts={"g": 1, "h": 0}, active_users=3)
    log.add("usage", "2026-01-02", quantity=0.0005, value_event=False)  # 0.5 -> 0
    log.add("usage", "2026-01-03", value_event=True)
    account = account_of(log)
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
        account_of(log, until)
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
    assert log.fates(DEFAULT_MODEL, tick=DAY) == {"applied": 35, "duplicate": 1}


def test_a_ticket_is_what_its_newest_events_say() -> None:
    """Closed before opened; ties in time go to the higher rank; what changes nothing is a duplicate."""
    log = Log()
    log.add("ticket", "2026-01-01T12:00", ticket_id="T", action="closed", priority="medium")
    log.add("ticket", "2026-01-01T10:00", ticket_id="T", action="opened", priority="urgent")
    log.add("ticket", "2026-01-01T12:00", ticket_id="T", action="reopened", priority="critical")
    log.add("ticket", "2026-01-01T11:00", ticket_id="T", action="updated", priority="low")
    log.add("ticket", "2026-01-01T13:00", ticket_id="T", action="updated", complaint=True, escalated=True)
    account, noon = account_of(log, grace=DAY), NEW_YEAR + 12 * HOUR
    ticket = account["ticket_map"]["T"]
    assert (ticket["opened_ts"], ticket["state"], ticket["state_ts"]) == (noon - 2 * HOUR, "closed", noon)
    assert (ticket["priority"], ticket["priority_ts"]) == ("urgent", noon)
    assert (ticket["complaint_ts"], ticket["reopened"], ticket["escalated"]) == (noon + HOUR, (noon,), True)
    assert account["tickets"] == {20454: 1}
    assert account["reopens"] == account["complaints"] == {2922: 1}
    assert log.fates(DEFAULT_MODEL, tick=DAY, grace=DAY) == {"applied": 4, "duplicate": 1}


def test_of_times_reopened_the_largest_eight_count() -> None:
    """Nine reopenings, the first of them a week earlier: its week counts it no longer."""
    log = Log()
    log.add("ticket", "2025-12-31", ticket_id="T", action="reopened")
    for n in range(8):
        log.add("ticket", NEW_YEAR + n, ticket_id="T", action="reopened")
    assert account_of(log)["reopens"] == {2922: 8}


def test_closed_tickets_are_forgotten_and_stay_counted() -> None:
    """Closed on day 0: known until day 127, forgotten on day 128; its reopening still counts."""
    log = Log()
    log.add("ticket", "2026-01-01", ticket_id="T", action="reopened")
    log.add("ticket", "2026-01-01T01:00", ticket_id="T", action="closed")
    log.add("ticket", "2026-01-01", ticket_id="U", action="opened")
    kept, dropped = account_of(log, "2026-05-08"), account_of(log, "2026-05-09")  # days 127 and 128
    assert (sorted(kept["ticket_map"]), sorted(dropped["ticket_map"])) == (["T", "U"], ["U"])
    assert (kept["tickets"], dropped["tickets"]) == ({20454: 1}, {})
    assert kept["reopens"] == dropped["reopens"] == {2922: 1}
    assert account_of(log, "2026-08-12")["reopens"] == {2922: 1}  # the last day of week 2953
    assert account_of(log, "2026-08-13")["reopens"] == {}


def test_an_invoice_is_paid_late_a_day_after_it_was_due() -> None:
    """`due_at` decides if known, `days_late` otherwise; due dates that become known later count back."""
    log = Log()
    log.add("invoice", "2026-01-09", invoice_id="I", action="paid", due_at=NEW_YEAR + 7 * DAY)
    log.add(
        "invoice", "2026-01-09", invoice_id="J", action="paid", due_at=NEW_YEAR + 7 * DAY + 1, days_late=9
    )
    log.add("invoice", "2026-01-09", invoice_id="K", action="paid", days_late=1)
    log.add("invoice", "2026-01-09", invoice_id="L", action="paid", days_late=0)
    assert account_of(log)["late"] == {2923: 2}  # I and K
    log.add("invoice", "2026-01-10", invoice_id="L", action="refunded", due_at=NEW_YEAR)
    log.add("invoice", "2026-01-10", invoice_id="I", action="voided", due_at=NEW_YEAR + 60 * DAY)
    account = account_of(log)
    assert account["late"] == {2923: 2}  # K and L
    assert account["invoice_map"]["L"]["status"] == "refunded"


def test_troubles_of_an_invoice_are_counted_and_ties_go_to_the_higher_rank() -> None:
    """Failures at two times, one repeated; of actions at one instant the one further on is the status."""
    log = Log()
    for action in ("payment_failed", "payment_failed", "disputed", "overdue"):
        log.add("invoice", "2026-01-01", invoice_id="I", action=action)
    log.add("invoice", "2026-01-02", invoice_id="I", action="payment_failed")
    log.add("invoice", "2026-01-01", invoice_id="I", action="disputed")
    account = account_of(log, grace=2 * DAY)
    assert (account["failures"], account["disputes"]) == ({2922: 2}, {2922: 1})
    assert account["invoice_map"]["I"]["status"] == "payment_failed"
    assert log.fates(DEFAULT_MODEL, grace=2 * DAY) == {"applied": 4, "duplicate": 2}
    log.records.pop(4)
    assert account_of(log, grace=2 * DAY)["invoice_map"]["I"]["status"] == "disputed"


def test_an_answer_counts_once_per_respondent_and_the_newest_32_are_kept() -> None:
    """(time, id) decides between answers of one respondent; of 34 respondents the two oldest go."""
    log = Log()
    log.add("survey", "2026-01-01", kind="nps", score=9, respondent_id="r", response_id="b")
    log.add("survey", "2026-01-01", kind="nps", score=3, respondent_id="r", response_id="a")
    log.add("survey", "2026-01-01", kind="csat", score=4, response_id="x")
    log.add("survey", "2026-01-01", kind="ces", score=0, scale_min=-5, scale_max=5, event_id="y")
    account = account_of(log)
    assert account["survey_map"] == {
        "nps": {"r": (NEW_YEAR, "b", 90_000)},
        "csat": {"x": (NEW_YEAR, "x", 75_000)},  # (4 - 1) / (5 - 1)
        "ces": {"y": (NEW_YEAR, "y", 50_000)},
    }
    assert log.fates(DEFAULT_MODEL) == {"applied": 3, "duplicate": 1}
    for n in range(33):
        log.add("survey", "2026-01-01T01:00", kind="nps", score=9, respondent_id=f"s{n:02}")
    assert list(account_of(log)["survey_map"]["nps"]) == [f"s{n:02}" for n in range(1, 33)]


def test_attributes_keep_their_newest_value() -> None:
    """Attributes and MRR months by time, then value; created is the earliest, started the latest."""
    log = Log()
    log.add("account", "2026-02-10", action="signup", plan="pro", mrr=100.5, currency="JPY")
    log.add("account", "2026-01-10", action="created", plan="free", mrr=250.125, currency="KWD", seats=9)
    log.add("account", "2026-01-10", action="updated", seats=10, auto_renew=True)
    log.add("account", "2026-02-11", action="churn_notice")
    account = account_of(log, grace=90 * DAY)
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
    assert log.fates(DEFAULT_MODEL, grace=90 * DAY) == {"applied": 4}


def test_outcomes_of_a_subscription_do_not_end_an_account() -> None:
    """Subscription scope and renewal move `last_seen` alone; an end that is no later changes nothing, and counts as applied all the same."""
    log = Log()
    log.add("renewal", "2026-01-01")
    log.add("account", "2026-01-02", action="subscription_ended", scope="subscription")
    log.add("renewal", "2026-01-01T12:00")
    account = account_of(log, grace=DAY)
    assert (account["ended"], account["ended_ts"]) == (False, None)
    assert account["last_seen"] == {"account": NEW_YEAR + DAY}
    assert log.fates(DEFAULT_MODEL, tick=DAY, grace=DAY) == {"applied": 3}
    log.add("churn", "2026-01-03")
    log.add("churn", "2026-01-03")
    assert log.fates(DEFAULT_MODEL, tick=DAY, grace=DAY) == {"applied": 5}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("churn", {}),
        ("account", {"action": "subscription_ended", "plan": "gone"}),
        ("account", {"action": "observation_end"}),
    ],
)
def test_an_ended_account_is_not_scored(kind: str, fields: dict[str, Any]) -> None:
    """Usage after the end is dropped; a return begins a term with the old attributes and newest MRR month."""
    log = Log()
    log.add("account", "2026-01-01", action="signup", plan="pro", mrr=5)
    log.add("account", "2026-02-01", action="updated", mrr=6)
    log.add("usage", "2026-02-01", event_id="u")
    log.add(kind, "2026-02-02", **fields)
    log.add("usage", "2026-02-03")
    ended = account_of(log, "2026-02-04")
    assert (ended["ended"], ended["band"], ended["score"]) == (True, "ended", None)
    assert ended["usage"] == {20485: 1000}
    log.add("usage", "2026-02-06T06:00")  # before the return, in its tick
    log.add("usage", "2026-02-06T18:00")
    log.add("usage", "2026-02-01", event_id="u", at="2026-02-06T18:00")  # held, but from before the return
    log.add("account", "2026-02-06T12:00", action="subscription_started")
    back = account_of(log)
    returned = millis("2026-02-06T12:00")
    assert (back["ended"], back["term"], back["usage"]) == (False, 1, {20490: 1000})
    assert back["first_ts"] == back["created_ts"] == back["started_ts"] == returned
    assert (back["attributes"]["plan"], back["mrr_months"]) == ("pro", {673: 600})
    assert back["history"] == {}
    assert log.fates(DEFAULT_MODEL, tick=DAY) == {"applied": 9}


def test_an_end_and_a_return_within_one_tick_are_no_new_term() -> None:
    """The account was never ended at a tick; at equal times the end wins."""
    log = Log()
    log.add("usage", "2026-01-01")
    log.add("churn", "2026-01-02T10:00")
    log.add("account", "2026-01-02T11:00", action="signup")
    account = account_of(log)
    assert (account["term"], account["ended"], account["usage"]) == (0, False, {20454: 1000})
    log.add("churn", "2026-01-02T11:00")
    assert account_of(log)["ended"]
