"""The reference, case by case with numbers worked out by hand: engagement, milestones, overrides, costs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle.instants import DAY, HOUR, millis
from tests.oracle.logbook import NEW_YEAR, Log, account_of, log_with_usage, model_of
from tests.oracle.models import DEFAULT_MODEL

PER_TIER = {"high_touch": 10, "low_touch": 30, "tech_touch": 90}


def x_of(log: Log, signal: str, until: str, **options: Any) -> int | None:
    """The x of one signal at a time."""
    return log.told(model_of(only={signal: options}), tick=6 * HOUR, until=until).ticks[-1].dimensions["only"]


def touched(*channels: str, **fields: Any) -> Log:
    """A log of touches at the new year, an hour apart."""
    log = Log()
    for n, channel in enumerate(channels):
        log.add("engagement", NEW_YEAR + n * HOUR, channel=channel, **fields)
    return log


def test_directions_decide_what_is_counted() -> None:
    """An e-mail is the vendor's unless told, a meeting both sides'; what the vendor sends is no engagement."""
    log = touched("email", "meeting", "call", "marketing", "community", "knowledge_base", "training")
    log.add("engagement", "2026-01-02", channel="training", direction="outbound")
    log.add("engagement", "2026-01-02", channel="marketing", direction="outbound")
    log.add("engagement", "2026-01-08", channel="email", direction="inbound", role="champion")
    log.add("engagement", "2026-01-08", channel="email", direction="two_way", role="user")
    account = account_of(log)
    assert (account["outreach"], account["replies"]) == ({2922: 1}, {2922: 2, 2923: 2})
    assert (account["senior_replies"], account["help"]) == ({2923: 1}, {2922: 2})
    assert (account["marketing"], account["community"]) == ({2922: 1}, {2922: 1})
    assert (account["engaged"], account["last_engaged"]) == ([20454, 20461], 20461)
    assert account["two_way_ts"] == NEW_YEAR + 7 * DAY
    assert all(
        account[f"{name}_tracked"] for name in ("contacts", "help", "marketing", "community", "sponsors")
    )


def test_flags_tell_what_is_known_of_an_account() -> None:
    """Outbound touches make the kind known and count nothing; no role, no sponsor."""
    account = account_of(touched("training", "marketing", "community", "email", direction="outbound"))
    assert (account["help"], account["marketing"], account["community"]) == ({}, {}, {})
    assert all(account[f"{name}_tracked"] for name in ("help", "marketing", "community", "contacts"))
    assert (account["sponsors_tracked"], account["engaged"], account["two_way_ts"]) == (False, [], None)


def test_rings_of_engagement_hold_16_weeks() -> None:
    """Week 2922 is counted until the last day of week 2937, 2026-04-22; the engaged day for 128 days."""
    log = touched("community")
    kept = [account_of(log, day)["community"] for day in ("2026-04-22", "2026-04-23")]
    assert kept == [{2922: 1}, {}]
    assert [account_of(log, day)["engaged"] for day in ("2026-05-08", "2026-05-09")] == [[20454], []]


def test_the_last_64_engagement_ids_are_remembered_by_day() -> None:
    """Of 65 events the second is a duplicate, the first is not; usage has ids of its own."""
    log = Log()
    for n in range(65):
        log.add("engagement", NEW_YEAR + n, channel="community", event_id=f"g{n}")
    log.add("engagement", NEW_YEAR + 1, channel="community", event_id="g1")
    log.add("engagement", NEW_YEAR, channel="community", event_id="g0")
    log.add("usage", NEW_YEAR + 64, event_id="g64")
    assert log.fates(DEFAULT_MODEL, tick=DAY) == {"applied": 67, "duplicate": 1}


def test_contacts_are_what_their_newest_events_say() -> None:
    """By id, else by role; ties of roles go to the senior one, ties of departures to the departed."""
    log = Log()
    log.add("engagement", "2026-01-02", channel="email", contact_id="c", role="user")
    log.add("engagement", "2026-01-02", channel="email", contact_id="c", role="champion", departed=True)
    log.add("engagement", "2026-01-01", channel="meeting", contact_id="c", role="executive", departed=False)
    log.add("engagement", "2026-01-02", channel="meeting", departed=False, contact_id="c")
    log.add("engagement", "2026-01-03", channel="call", role="executive")
    log.add("engagement", "2026-01-03", channel="call")
    account, second = account_of(log, grace=DAY), NEW_YEAR + DAY
    assert account["contact_map"]["c"] == {
        "role_ts": second,
        "role": "champion",
        "departed_ts": second,
        "departed": True,
        "reply_ts": second,
        "seen_ts": second,
    }
    assert list(account["contact_map"]) == ["(executive)", "c"]
    assert (account["sponsors"], account["sponsor_ts"]) == (1, second + DAY)
    assert account["contact_ts"] == [second + DAY]


def test_the_eight_newest_contacts_are_columns() -> None:
    """Of nine who replied the first is left out; who was only written to has no reply."""
    log = Log()
    for n in range(9):
        log.add("engagement", NEW_YEAR + n, channel="call", contact_id=f"c{n}")
    log.add("engagement", NEW_YEAR + 9, channel="email", contact_id="mute")
    account = account_of(log)
    assert account["contact_ts"] == [NEW_YEAR + n for n in range(8, 0, -1)]
    assert len(account["contact_map"]) == 10


def test_a_contact_is_forgotten_after_128_days() -> None:
    """Seen on day 0, even if only written to: known on day 127, gone on day 128; the sponsor is remembered as such."""
    log = touched("email", contact_id="boss", role="executive")
    log.add("usage", "2026-01-02")
    kept, gone = account_of(log, "2026-05-08"), account_of(log, "2026-05-09")
    assert (list(kept["contact_map"]), list(gone["contact_map"])) == (["boss"], [])
    assert (kept["sponsors"], gone["sponsors"], gone["sponsors_tracked"]) == (1, 0, True)


def test_fifty_unanswered_emails_leave_csm_activity_alone() -> None:
    """15 of 30 days without a reply: 500, for one e-mail as for 50; a reply a day ago: 24000 // 720 = 33."""
    falling = {"days_per_tier": PER_TIER, "curve": [[0, 100_000], [1000, 0]]}
    one, many = touched("email"), touched(*["email"] * 50)
    unanswered = [x_of(log, "two_way_contact", "2026-01-16", **falling) for log in (one, many)]
    many.add("engagement", "2026-01-15", channel="email", direction="inbound")
    assert unanswered == [50_000, 50_000]
    assert x_of(many, "two_way_contact", "2026-01-16", **falling) == 96_700
    assert x_of(touched("marketing"), "two_way_contact", "2026-01-16", **falling) is None


def test_the_cadence_is_that_of_the_tier() -> None:
    """36 hours of 10 days: 36000 // 240 = 150; of 30 days: 50."""
    log = touched("call")
    assert x_of(log, "two_way_contact", "2026-01-02T12:00", days_per_tier=PER_TIER) == 50
    log.add("account", NEW_YEAR, action="updated", tier="high_touch")
    model = model_of(only={"two_way_contact": {"days_per_tier": PER_TIER}})
    assert log.told(model, tick=HOUR, until="2026-01-02T12:00").ticks[-1].dimensions["only"] == 150


def test_sponsor_signals() -> None:
    """A reply fades by half in ten days; who leaves is no sponsor, an heir who has not replied counts 0."""
    log = touched("meeting", contact_id="boss", role="executive")
    assert x_of(log, "sponsor_contact", "2026-01-01", half_life_days=10) == 100_000
    assert x_of(log, "sponsor_contact", "2026-01-11", half_life_days=10) == 50_000
    assert x_of(log, "sponsor_presence", "2026-01-11") == 1
    log.add("engagement", "2026-01-11", channel="email", contact_id="boss", departed=True)
    log.add("engagement", "2026-01-12", channel="email", contact_id="heir", role="champion")
    signals = ("sponsor_presence", "sponsor_contact")
    assert [x_of(log, name, "2026-01-11", half_life_days=10) for name in signals] == [0, 0]
    assert [x_of(log, name, "2026-01-12", half_life_days=10) for name in signals] == [1, 0]
    assert x_of(touched("meeting"), "sponsor_presence", "2026-01-11") is None


def test_who_replies() -> None:
    """One senior reply of three: 333; two contacts within 90 days, on day 90 the first is one no more."""
    log = touched("meeting", "call", contact_id="c", role="user")
    log.add("engagement", "2026-01-02", channel="call", contact_id="d", role="champion")
    assert x_of(log, "reply_seniority", "2026-01-02", window_weeks=13) == 333
    assert x_of(log, "reply_seniority", "2026-01-08", window_weeks=1) is None
    breadth = [x_of(log, "contact_breadth", day, window_days=90) for day in ("2026-04-01", "2026-04-02")]
    assert breadth == [2, 0]  # c spoke last on day 0 at 01:00
    assert x_of(touched("email"), "contact_breadth", "2026-01-02", window_days=90) == 0
    assert x_of(touched("community"), "contact_breadth", "2026-01-02", window_days=90) is None


def test_self_service_marketing_and_community() -> None:
    """Three times help and one ticket: 750; after a week window nothing is left: missing, and 0 for the others."""
    log = touched("knowledge_base", "knowledge_base", "training", "marketing", "community")
    assert x_of(log, "self_service", "2026-01-02", window_weeks=1) == 1000
    log.add("ticket", "2026-01-02", ticket_id="T", action="opened")
    assert x_of(log, "self_service", "2026-01-02", window_weeks=1) == 750
    assert x_of(log, "self_service", "2026-01-09", window_weeks=1) is None
    for name in ("marketing_response", "community_activity"):
        assert [x_of(log, name, day, window_weeks=1) for day in ("2026-01-07", "2026-01-08")] == [1, 0]
        assert x_of(log_with_usage(), name, "2026-01-02", window_weeks=1) is None


def test_milestones_are_registers() -> None:
    """Goals and due dates by time, then value; done is the earliest, declined and strategy the latest."""
    log = Log()
    log.add("milestone", "2026-01-03", kind="goal_progress", value=40, due_at=millis("2026-02-01"))
    log.add("milestone", "2026-01-02", kind="goal_progress", value=90)
    log.add("milestone", "2026-01-03", kind="goal_progress", value=40.0005, due_at=millis("2026-01-20"))
    log.add("milestone", "2026-01-03", kind="onboarding_done", value=99.9995)  # 99999.5 is even at 100000
    log.add("milestone", "2026-01-04", kind="onboarding_done", value=99.9994, due_at=NEW_YEAR)
    log.add("milestone", "2026-01-05", kind="onboarding_done")
    log.add("milestone", "2026-01-02", kind="feature_declined")
    log.add("milestone", "2026-01-01", kind="feature_declined")
    log.add("milestone", "2026-01-01", kind="strategy_change")
    account, third = account_of(log, grace=4 * DAY), NEW_YEAR + 2 * DAY
    assert (account["goal"], account["goal_due"]) == ([third, 40_000], [third, millis("2026-02-01")])
    assert (account["onboarded_ts"], account["onboarding_due"]) == (third, [third + DAY, NEW_YEAR])
    assert (account["declined_ts"], account["strategy_ts"]) == (NEW_YEAR + DAY, NEW_YEAR)
    assert log.fates(DEFAULT_MODEL, grace=4 * DAY) == {"applied": 7, "duplicate": 2}  # in order of time


def test_first_value_comes_from_usage_and_milestones() -> None:
    """The earliest is the first, the latest the last; a first value is never a duplicate."""
    log = log_with_usage(value_event=True)
    log.add("milestone", "2026-01-05", kind="first_value")
    log.add("milestone", "2026-01-03", kind="first_value")
    account = account_of(log, grace=5 * DAY)
    assert (account["first_value_ts"], account["last_value_ts"]) == (NEW_YEAR, NEW_YEAR + 4 * DAY)
    assert log.fates(DEFAULT_MODEL, grace=5 * DAY) == {"applied": 3}


def test_goal_signals() -> None:
    """40 percent; overdue from its date on, by whole days, until it is reached."""
    log = Log()
    log.add("milestone", "2026-01-03", kind="goal_progress", value=40, due_at=millis("2026-01-10"))
    assert x_of(log, "goal_progress", "2026-01-03") == 40_000
    days = ("2026-01-09T18:00", "2026-01-10", "2026-01-10T18:00", "2026-01-12")
    assert [x_of(log, "goal_overdue", day) for day in days] == [100_000, 0, 0, 2]
    log.add("milestone", "2026-01-12", kind="goal_progress", value=100)
    assert x_of(log, "goal_overdue", "2026-01-12") == 100_000
    assert x_of(log_with_usage(), "goal_overdue", "2026-01-12") is None


def test_onboarding_progress() -> None:
    """Due 30 days after the beginning: -28 on day 2; told to be due on day 5: -3; done: 100000."""
    log = log_with_usage()
    assert x_of(log, "onboarding_progress", "2026-01-03", days_per_tier=PER_TIER) is None
    log.add("milestone", "2026-01-02", kind="strategy_change")
    rising = {"days_per_tier": PER_TIER, "curve": [[-30, 0], [30, 60_000]]}
    assert x_of(log, "onboarding_progress", "2026-01-03", **rising) == 2_000
    assert x_of(log, "onboarding_progress", "2026-01-03T06:00", **rising) == 2_000  # floor(-27.75) = -28
    log.add("milestone", "2026-01-03", kind="onboarding_done", value=5, due_at=millis("2026-01-06"))
    assert x_of(log, "onboarding_progress", "2026-01-03", **rising) == 27_000
    log.add("milestone", "2026-01-04", kind="onboarding_done")
    assert x_of(log, "onboarding_progress", "2026-01-20", **rising) == 100_000


def judged(log: Log, time: str, value: float | None, author: str = "ann") -> None:
    """Append a judgement until February."""
    expires = millis("2026-02-01")
    log.add("override", time, value=value, reason="knows", author=author, expires_at=expires)


def test_the_newest_override_counts() -> None:
    """By time, then by its JSON; null clears it; it survives a return, and is seen as account news."""
    log = Log()
    judged(log, "2026-01-02", 55.5)
    judged(log, "2026-01-01", 10)
    judged(log, "2026-01-02", 5.5)  # "[5500" < "[55500"
    judged(log, "2026-01-02", 55.5)
    account = account_of(log, grace=DAY)
    expected = {"ts": NEW_YEAR + DAY, "value": 55_500, "reason": "knows", "author": "ann"}
    assert account["override"] == {**expected, "expires_at": millis("2026-02-01")}
    assert account["last_seen"] == {"account": NEW_YEAR + DAY}
    assert log.fates(DEFAULT_MODEL, tick=DAY, grace=DAY) == {"applied": 2, "duplicate": 2}  # in order of time
    log.add("churn", "2026-01-03")
    log.add("account", "2026-01-05", action="signup")
    back = account_of(log)
    assert (back["term"], back["override"]["value"], back["override_shown"]["value"]) == (1, 55_500, 55.5)
    shown = [account_of(log, day)["override_shown"] for day in ("2026-01-31", "2026-02-01")]
    assert [bool(judgement) for judgement in shown] == [True, False]
    judged(log, "2026-01-06", None)
    last = account_of(log)
    assert (last["override"]["value"], last["override_shown"]) == (None, None)


def test_costs_change_nothing() -> None:
    """The same cost twice is applied twice and moves `last_seen` alone."""
    log = log_with_usage()
    for _ in range(2):
        log.add("cost", "2026-01-02", kind="acquisition", amount=10, event_id="c")
    account = account_of(log)
    assert account["last_seen"] == {"usage": NEW_YEAR, "account": NEW_YEAR + DAY}
    assert log.fates(DEFAULT_MODEL, tick=DAY) == {"applied": 3}


@pytest.mark.parametrize(
    ("kind", "fields"), [("engagement", {"channel": "call"}), ("milestone", {"kind": "strategy_change"})]
)
def test_of_an_ended_account_engagement_and_milestones_wait(kind: str, fields: dict[str, Any]) -> None:
    """Dropped while it is ended; folded if they happened after the return; late after 128 days."""
    log = log_with_usage()
    log.add("churn", "2026-01-02")
    log.add(kind, "2026-01-03", **fields)
    seen = account_of(log, "2026-01-04")["last_seen"]
    assert seen == {"usage": NEW_YEAR, "account": NEW_YEAR + DAY}
    log.add("account", "2026-01-05T06:00", action="signup")
    log.add(kind, "2026-01-05T05:00", **fields)
    log.add(kind, "2026-01-05T07:00", **fields)
    back = account_of(log)
    assert back["last_seen"] == {kind: millis("2026-01-05T07:00")}
    log.add(kind, "2025-08-30", at="2026-01-06", **fields)
    assert log.fates(DEFAULT_MODEL, tick=DAY) == {"applied": 6, "late": 1}
