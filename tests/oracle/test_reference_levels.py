"""The reference, case by case with numbers worked out by hand: level rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tests.oracle.cadence import limit
from tests.oracle.cast import date_of
from tests.oracle.instants import DAY, HOUR
from tests.oracle.logbook import NEW_YEAR, Log, answered, model_of, score_at, told_of

Told = list[tuple[str, str, float]]
SILENCE = {"sources": ["usage", "engagement"], "factor": 3, "minimum_gaps": 6}
QUARTER = 6 * HOUR


def fired(on: float, off: float | None = None) -> Told:
    """One firing, in days since the new year."""
    return [("firing", "1", on)] + ([] if off is None else [("resolved", "1", off)])


def after(days: float) -> int:
    """A time so many days after the new year."""
    return NEW_YEAR + int(days * DAY)


def text(days: float) -> str:
    """The same as text."""
    return date_of(after(days))


def touches(kind: str, days: Iterable[float], others: Iterable[float], **fields: Any) -> Log:
    """Account a is active on some days, account b on others, which keeps the feed alive."""
    log = Log()
    for day, who in sorted([*((d, "a") for d in days), *((d, "b") for d in others)]):
        log.add(kind, after(day), who, **fields)
    return log


@pytest.mark.parametrize(
    ("days", "minimum", "expected"),
    [
        (range(7), 6, 3),  # six gaps of 1: max(3 * 1, 2 * 1)
        (range(6), 6, None),  # five gaps
        (range(0, 50, 7), 6, 21),  # seven gaps of 7
        ((0, 1, 4, 5, 6, 7, 8), 6, 6),  # 1 1 1 1 1 3: g_3 = 1, g_6 = 3
        ((0, 2, 3, 4, 9), 4, 10),  # 1 1 2 5: g_2 = 1, g_4 = 5
        ((1000 - 121, 1000 - 120, 999, 1000), 1, 357),  # day 879 is too long ago and 1000 is today: 3 * 119
    ],
)
def test_limit_of_silence(days: Iterable[int], minimum: int, expected: int | None) -> None:
    """Three median gaps, or twice what nine in ten of the gaps stay within, of the 120 days before today."""
    assert limit(list(days), 1000 if max(days) > 100 else 110, 3, minimum) == expected


@pytest.mark.parametrize(("kind", "fields"), [("usage", {}), ("engagement", {"channel": "call"})])
def test_a_daily_account_is_silent_on_the_third_day(kind: str, fields: dict[str, Any]) -> None:
    """Last active on day 9: the condition begins on day 11, holds 24 h, fires on day 12; day 14 resolves it."""
    log = touches(kind, [*range(10), 14], range(20), **fields)
    assert told_of(log, f"silence_{kind}", text(16), tick=QUARTER, **SILENCE) == fired(12, 14)


def test_a_weekly_account_is_quiet_on_day_six() -> None:
    """Seven gaps of 7 days: nothing for 21 days, then it fires."""
    log = touches("usage", range(0, 50, 7), range(80))
    assert told_of(log, "silence_usage", text(56), tick=QUARTER, **SILENCE) == []
    assert told_of(log, "silence_usage", text(79), tick=QUARTER, **SILENCE) == fired(70)


def test_weekends_are_no_silence() -> None:
    """Working days at 10:00 for five weeks; the Friday is day 36, six days are allowed: begins on day 41, fires a day later."""
    working = [d + 10 / 24 for d in range(37) if (d + 3) % 7 < 5]  # the new year is a Thursday
    log = touches("usage", working, range(60))
    assert told_of(log, "silence_usage", text(50), tick=HOUR, **SILENCE) == fired(42)


def test_a_dead_feed_is_no_silence() -> None:
    """Quiet since day 9, the feed dead from 11.5 to 20: pending is lost, it fires on day 21 and then keeps firing."""
    log = touches("usage", range(10), [*range(11), 20])
    assert told_of(log, "silence_usage", text(40), tick=QUARTER, **SILENCE) == fired(21)
    assert told_of(log, "silence_usage", text(40), tick=QUARTER, **SILENCE, hold_hours=48) == []


@pytest.mark.parametrize(("last", "expected"), [(10.5, fired(12)), (10.5 - 1 / 86_400, [])])
def test_a_feed_is_live_for_36_hours_to_the_millisecond(last: float, expected: Told) -> None:
    """Without hold the third day begins at 12.0, 36 h after the last event of the feed."""
    log = touches("usage", range(10), [last])
    assert told_of(log, "silence_usage", text(15), tick=QUARTER, **SILENCE, hold_hours=0) == expected


def test_rapid_drop_keeps_firing_until_half_is_made_good() -> None:
    """-10.00 in 7 days fires, -5.00 keeps, -4.99 resolves; before day 7 nothing can be told."""
    log = Log()
    for day, points in ((0, 80), (7, 70), (9, 75), (10, 75.01)):
        score_at(log, after(day), points)
    told = told_of(log, "rapid_drop", text(12), week_points=10, month_points=50, min_age_days=0)
    assert told == fired(7, 10)
    assert told_of(log, "rapid_drop", text(12), week_points=11, month_points=50, min_age_days=0) == []


def test_rapid_drop_looks_at_a_month_too() -> None:
    """A point a day is 7 in a week and 28 in four: fires on day 28."""
    log = Log()
    for day in range(30):
        score_at(log, after(day), 90 - day)
    assert told_of(log, "rapid_drop", text(29), week_points=10, month_points=28, min_age_days=0) == fired(28)


def test_urgent_tickets_age_by_tier() -> None:
    """48 h for low_touch; high_touch since day 1: at once, as 24 h have passed; closing resolves."""
    log, hours = Log(), {"high_touch": 24, "low_touch": 48, "tech_touch": 72}
    log.add("ticket", after(0), ticket_id="T", action="opened", priority="urgent")
    assert told_of(log, "urgent_ticket_ageing", text(3), tick=HOUR, hours_per_tier=hours) == fired(2)
    log.add("account", after(1), action="updated", tier="high_touch")
    log.add("ticket", after(2.5), ticket_id="T", action="closed")
    assert told_of(log, "urgent_ticket_ageing", text(3), tick=HOUR, hours_per_tier=hours) == fired(1, 2.5)


@pytest.mark.parametrize(("before", "expected"), [(12, fired(62, 67)), (13, fired(65, 67))])
def test_a_cluster_of_tickets(before: int, expected: Told) -> None:
    """3 in 7 days against 12 in 8 weeks: 3 * 56 >= 2 * 7 * 12; against 13 not before the first is too old; 7 days on there are two."""
    log = Log()
    for n, day in enumerate([*(2 + 4 * n for n in range(before)), 60, 61, 62]):
        log.add("ticket", after(day), ticket_id=f"T{n}", action="opened")
    assert told_of(log, "support_cluster", text(70), tickets=3, window_days=7, factor=2) == expected


def test_detractors() -> None:
    """6 of 10 is one for 30 days, or until the same person says otherwise; 6.1 is none."""
    log = Log()
    log.add("survey", after(0), kind="nps", score=6, respondent_id="r")
    log.add("survey", after(0), kind="nps", score=6.1, respondent_id="s")
    assert told_of(log, "detractor", text(40), days=30) == fired(0, 30)
    log.add("survey", after(5), kind="nps", score=7, respondent_id="r")
    assert told_of(log, "detractor", text(40), days=30) == fired(0, 5)


def test_falling_sentiment() -> None:
    """80 80 65 65: -15 fires at the fourth; a fifth of 79: (65 + 79) // 2 - 80 = -8 keeps, of 81: -7 not."""
    log = Log()
    for n, points in enumerate((80, 80, 65, 65)):
        log.add("survey", after(n), kind="ces", score=points, scale_min=0, scale_max=100)
    assert told_of(log, "falling_sentiment", text(20), points=15, days=10) == fired(3, 13)
    assert told_of(log, "falling_sentiment", text(20), points=16, days=10) == []
    log.add("survey", after(4), kind="ces", score=79, scale_min=0, scale_max=100)
    assert told_of(log, "falling_sentiment", text(10), points=15, days=10) == fired(3)
    log.add("survey", after(4), kind="ces", score=81, scale_min=0, scale_max=100, respondent_id="e4")
    assert told_of(log, "falling_sentiment", text(10), points=15, days=10) == fired(3, 4)


def test_invoices_overdue() -> None:
    """Due on day 1: 15 days later it fires, payment resolves."""
    log = Log()
    log.add("invoice", after(0), invoice_id="I", action="issued", due_at=after(1))
    log.add("invoice", after(20), invoice_id="I", action="paid")
    assert told_of(log, "invoice_overdue", text(21), days=15) == fired(16, 20)


def test_no_two_way_contact() -> None:
    """Written to since day 0 without a reply: after 30 days; a call resolves. Without any contact: not told."""
    log, days = Log(), {"high_touch": 10, "low_touch": 30, "tech_touch": 90}
    for day in range(0, 40, 2):
        log.add("engagement", after(day), channel="email")
    log.add("engagement", after(40), channel="call")
    assert told_of(log, "no_two_way_contact", text(41), days_per_tier=days) == fired(30, 40)
    quiet = touches("engagement", [0], [], channel="community")
    assert told_of(quiet, "no_two_way_contact", text(41), days_per_tier=days) == []


def test_onboarding_overdue() -> None:
    """Planned for day 14, still on time at that instant; the first value ends it. A done one never fires."""
    log, days = Log(), {"high_touch": 10, "low_touch": 14, "tech_touch": 90}
    log.add("milestone", after(0), kind="strategy_change")
    log.add("milestone", after(20), kind="first_value")
    options = {"tick": QUARTER, "days_per_tier": days}
    assert told_of(log, "onboarding_overdue", text(21), **options) == fired(14.25, 20)
    log.records.pop()
    log.add("milestone", after(3), kind="onboarding_done", value=1, due_at=after(5))
    log.add("milestone", after(10), kind="onboarding_done")
    assert told_of(log, "onboarding_overdue", text(21), **options) == fired(5.25, 10)


def test_no_value() -> None:
    """45 days after the last value, until the next; who never had one is another matter."""
    log = Log()
    log.add("usage", after(0), value_event=True)
    log.add("milestone", after(50), kind="first_value")
    assert told_of(log, "no_value", text(51), days=45) == fired(45, 50)
    assert told_of(touches("usage", [0], [], value_event=False), "no_value", text(60), days=45) == []


def test_stalled_implementation() -> None:
    """Half reached, due on day 5: two weeks later; reaching it resolves."""
    log = Log()
    log.add("milestone", after(0), kind="goal_progress", value=50, due_at=after(5))
    log.add("milestone", after(25), kind="goal_progress", value=100)
    assert told_of(log, "stalled_implementation", text(26), days=14) == fired(19, 25)


def test_low_adoption_needs_five_percent_more_to_resolve() -> None:
    """24 of 100 fires when the account is 2 days old, 26 and 29 keep, 30 resolves."""
    log = Log()
    log.add("account", after(0), action="created", seats=100)
    for day, users in ((0, 24), (3, 26), (4, 29), (5, 30)):
        log.add("usage", after(day), active_users=users)
    assert told_of(log, "low_adoption", text(6), percent=25, min_age_days=2) == fired(2, 5)


@pytest.mark.parametrize("kind", ["feature_declined", "strategy_change"])
def test_news_of_a_customer_last_30_days(kind: str) -> None:
    """It fires at once, and a second one on day 10 lets it last until day 40."""
    log = Log()
    log.add("milestone", after(0), kind=kind)
    log.add("milestone", after(10), kind=kind)
    assert told_of(log, kind, text(41), days=30) == fired(0, 40)


@pytest.mark.parametrize(("percent", "expected"), [(50, fired(35, 37)), (51, [])])
def test_coverage_lost(percent: int, expected: Told) -> None:
    """Users fade away after five weeks: one of two equal dimensions; what was never known is not lost."""
    model = model_of(mood={"csat": {"half_life_days": 10**9}}, seats={"seat_ratio": {}}, never={"nps": {}})
    model["dimensions"]["never"]["weight"] = {"low_touch": 0}
    model["rules"] = {"coverage_lost": {"percent": percent}}
    log = Log()
    log.add("account", after(0), action="created", seats=1)
    score_at(log, after(0), 50)
    for day in (0, 37):
        log.add("usage", after(day), active_users=1)
    alerts = log.told(model, tick=DAY).alerts
    assert [(a["phase"], a["episode"], (a["at"] - NEW_YEAR) / DAY) for a in alerts] == expected


def test_upsell_needs_health() -> None:
    """9 of 10 seats in use and green; an open complaint, an overdue invoice or fewer users end it."""
    for last, fields in (
        ("ticket", {"ticket_id": "T", "action": "opened", "complaint": True}),
        ("invoice", {"invoice_id": "I", "action": "issued", "due_at": after(3) - 1}),
        ("account", {"action": "updated", "seats": 11}),
    ):
        log = Log()
        log.add("account", after(0), action="created", seats=10)
        log.add("usage", after(0), active_users=9)
        score_at(log, after(0), 90)
        log.add(last, after(3), **fields)
        assert told_of(log, "upsell", text(4), percent=90) == fired(0, 3)


def test_cross_sell() -> None:
    """Uses f and not g: until g is used, or f is not for five weeks."""
    offers = [{"uses": "f", "lacks": "g", "suggest": "g"}, {"uses": "g", "lacks": "g", "suggest": "h"}]
    log = Log()
    score_at(log, after(0), 90)
    log.add("usage", after(1), feature="f")
    assert told_of(log, "cross_sell", text(40), offers=offers) == fired(1, 35)
    log.add("usage", after(5), counts={"g": 1})
    assert told_of(log, "cross_sell", text(40), offers=offers) == fired(1, 5)


def test_advocates() -> None:
    """A promoter of a green account for 30 days, unless there is a detractor too."""
    log = Log()
    score_at(log, after(0), 90)
    log.add("survey", after(0), kind="nps", score=9)
    assert told_of(log, "advocate", text(40), days=30) == fired(0, 30)
    log.add("survey", after(4), kind="nps", score=2)
    assert told_of(log, "advocate", text(20), days=30) == fired(0, 4)


def test_a_band_that_changes_is_told_again() -> None:
    """Red fires, amber after its hold of 24 h is revision 1, with which green resolves it."""
    log = Log()
    for day, points in ((0, 30), (1, 50), (5, 90)):
        score_at(log, after(day), points)
    model = answered(rules={"band_entered": {"bands": ["red", "amber"]}})
    said = [
        (a["phase"], a["revision"], a["band"], a["at"]) for a in log.told(model, until="2026-01-09").alerts
    ]
    assert said == [
        ("firing", 0, "red", after(0)),
        ("firing", 1, "amber", after(2)),
        ("resolved", 1, "green", after(6)),
    ]


def test_without_data_nothing_is_told_again() -> None:
    """The only answer is forgotten after 128 days, the band a day later: neither a revision nor an end."""
    log = Log()
    score_at(log, after(0), 30)
    model = answered(rules={"band_entered": {"bands": ["red", "amber"]}})
    out = log.told(model, tick=DAY, until="2026-05-20")
    assert (out.ticks[-1].band, [a["revision"] for a in out.alerts]) == ("insufficient_data", [0])


@pytest.mark.parametrize(("first", "other"), [(68, 72), (72, 68)])
@pytest.mark.parametrize("step", [HOUR, DAY])
def test_an_oscillating_score_does_not_flap(first: int, other: int, step: int) -> None:
    """68 and 72 around the threshold of 70, a hundred times: at most one firing and one resolve."""
    log = Log()
    for n in range(100):
        score_at(log, NEW_YEAR + n * step, other if n % 2 else first)
    model = answered(rules={"band_entered": {"bands": ["amber"]}})
    phases = [a["phase"] for a in log.told(model, tick=HOUR).alerts]
    assert phases.count("firing") <= 1
    assert phases.count("resolved") <= 1


def test_the_end_of_an_account_resolves_and_a_term_counts_anew() -> None:
    """Fires as 1, ends, and after the return fires as episode 1 of the next term."""
    log = Log()
    log.add("milestone", after(0), kind="strategy_change")
    log.add("churn", after(2))
    log.add("account", after(4), action="signup")
    log.add("milestone", after(5), kind="strategy_change")
    out = log.told(answered(rules={"strategy_change": {"days": 30}}), tick=DAY)
    said = [(a["phase"], a["term"], a["episode"], a["at"], a["band"]) for a in out.alerts]
    assert said == [
        ("firing", 0, "1", after(0), "insufficient_data"),
        ("resolved", 0, "1", after(2), "ended"),
        ("firing", 1, "1", after(5), "insufficient_data"),
    ]
