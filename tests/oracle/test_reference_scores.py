"""The reference, case by case with numbers worked out by hand: signals, score, bands, history, alerts."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.oracle.compare import differences
from tests.oracle.facts import bit
from tests.oracle.instants import DAY, HOUR, MINUTE, millis
from tests.oracle.logbook import DEFAULT_MODEL, Log, answered, model_of
from tests.oracle.signals import curve, half_life, linear_counting

NEW_YEAR = millis("2026-01-01")
JUNE = millis("2026-06-01")


def x_of(log: Log, signal: str, until: str, *, tick: int = HOUR * 6, **options: Any) -> int | None:
    """The x of one signal at a time."""
    return log.told(model_of(only={signal: options}), tick=tick, until=until).ticks[-1].dimensions["only"]


def score_at(log: Log, time: int, points: float, account: str = "a") -> None:
    fields = {"kind": "csat", "score": points, "scale_min": 0, "scale_max": 100, "respondent_id": "r"}
    log.add("survey", time, account, **fields)


def bands(log: Log, model: dict[str, Any], until: str, tick: int = HOUR) -> list[tuple[str, int]]:
    """Changes of the band of account a: name and hours since the new year."""
    changes: list[tuple[str, int]] = []
    for line in log.told(model, tick=tick, until=until).ticks:
        if line.account_id == "a" and (not changes or changes[-1][0] != line.band):
            changes.append((line.band, (line.as_of - NEW_YEAR) // HOUR))
    return changes


def test_curves_round_down_and_end() -> None:
    """Between (10, 0) and (13, 100): 33 a step; outside, the first and last value; downwards `//` rounds down too."""
    rising, falling = [[10, 0], [13, 100]], [[0, 100], [3, 0]]
    assert [curve(x, rising) for x in (9, 10, 11, 12, 13, 14)] == [0, 0, 33, 66, 100, 100]
    assert [curve(x, falling) for x in (0, 1, 2, 3)] == [100, 66, 33, 0]  # 100 + (-100 // 3) = 66


def test_linear_counting_and_half_lives() -> None:
    """64 ln(64/61) = 3.0726; a full sketch counts as half a free bit: 64 ln 128 = 310.530; a half-life halves."""
    assert [linear_counting(64, k) for k in (0, 3, 64)] == [0, 3073, 310_530]
    assert [half_life(h, 24) for h in (0, 24, 48, 12)] == [1_000_000, 500_000, 250_000, 707_107]
    assert half_life(4000, 2400) == half_life(3200, 2400)


def trend_log(first_day: int) -> Log:
    """2 units a day until 15 days ago, then 21 at once."""
    log = Log()
    for back in range(first_day, 14, -1):
        log.add("usage", JUNE - back * DAY, quantity=2)
    log.add("usage", JUNE - 3 * DAY, quantity=21)
    return log


@pytest.mark.parametrize(
    ("first_day", "min_age", "expected"), [(95, 90, 736), (40, 30, 736), (40, 90, None), (27, 1, None)]
)
def test_usage_trend(first_day: int, min_age: int, expected: int | None) -> None:
    """At 06:00, 21 units in 14 days and 6 h against 2 a day: 21000 * d * 24000 // (2000 d * 342) = 736; 13 days are too few."""
    options = {"recent_days": 14, "baseline_days": 76, "minimum": 20, "min_age_days": min_age}
    assert x_of(trend_log(first_day), "usage_trend", "2026-06-01T06:00", **options) == expected


def test_adoption_breadth() -> None:
    """Three features in five weeks; none in them any more: 0; younger than a week or never a feature: missing."""
    assert len({bit(name, 64) for name in ("a", "b", "c")}) == 3
    log = Log()
    log.add("usage", "2026-01-01", "b")
    log.add("usage", "2026-01-01", feature="a", counts={"b": 2, "c": 1, "d": 0})
    assert x_of(log, "adoption_breadth", "2026-01-07T18:00") is None
    assert x_of(log, "adoption_breadth", "2026-02-05") is None  # the last line is b's
    log.records.pop(0)
    assert x_of(log, "adoption_breadth", "2026-01-08") == 3073
    assert x_of(log, "adoption_breadth", "2026-02-05") == 0


def test_regular_users() -> None:
    """One of two users in two weeks: 1002 * 1000 // 2008 = 499."""
    log = Log()
    assert x_of(log_with_usage(), "regular_users", "2026-01-09") is None
    for day, user in ((1, "u"), (2, "v"), (8, "u")):
        log.add("usage", f"2026-01-0{day}", user_id=user)
    assert x_of(log, "regular_users", "2026-01-09") == 499


def log_with_usage(**fields: Any) -> Log:
    log = Log()
    log.add("usage", NEW_YEAR, **fields)
    return log


def test_seat_ratio() -> None:
    """Five active users on 30 seats: 5000 // 30 = 166; one by name: 1002 // 30 = 33; no seats or nobody: missing."""
    log = log_with_usage(active_users=5, user_id="u")
    assert x_of(log, "seat_ratio", "2026-01-02") is None
    log.add("account", "2026-01-02", action="updated", seats=30)
    assert x_of(log, "seat_ratio", "2026-01-02") == 166
    assert x_of(log, "seat_ratio", "2026-02-05") is None
    named = log_with_usage(user_id="u")
    named.add("account", "2026-01-02", action="updated", seats=30)
    assert x_of(named, "seat_ratio", "2026-01-02") == 33


def test_activity() -> None:
    """Days 0 and 1 are active: two of the 28 days up to day 27, one up to day 28."""
    log = log_with_usage()
    log.add("usage", "2026-01-02", quantity=0.001)
    log.add("usage", "2026-01-03", quantity=0)
    assert [x_of(log, "activity", day) for day in ("2026-01-07", "2026-01-28", "2026-01-29")] == [None, 2, 1]


def test_error_rate() -> None:
    """3 errors in 40 units: 75 in a thousand; without usage in 7 days: missing."""
    log = log_with_usage(quantity=40, errors=3)
    assert [x_of(log, "error_rate", day) for day in ("2026-01-07", "2026-01-08")] == [75, None]


def test_ticket_signals() -> None:
    """Two tickets on 30 seats: 6666 in a hundred thousand; the older urgent one is open for 30 h, 6 h after the other was closed."""
    log = Log()
    log.add("ticket", "2026-01-01T00:00", ticket_id="T", action="opened", priority="urgent")
    log.add(
        "ticket", "2026-01-01T02:00", ticket_id="U", action="updated", priority="critical", complaint=True
    )
    assert x_of(log, "ticket_volume", "2026-01-01T12:00", window_days=90, default_seats=20) == 5000
    log.add("ticket", "2026-01-01T06:00", ticket_id="U", action="reopened")
    log.add("account", "2026-01-01T20:00", action="updated", seats=30)
    log.add("ticket", "2026-01-02T00:00", ticket_id="V", action="opened")
    assert x_of(log, "urgent_age", "2026-01-02") == 24
    log.add("ticket", "2026-01-02T00:00", ticket_id="T", action="closed")
    assert x_of(log, "urgent_age", "2026-01-02T12:00") == 30  # U: opening unknown, reopened at 06:00
    log.add("ticket", "2026-01-02T06:00", ticket_id="U", action="updated", priority="low")
    assert x_of(log, "urgent_age", "2026-01-02T12:00") == 100_000
    assert x_of(log, "ticket_volume", "2026-01-02T12:00", window_days=90, default_seats=20) == 6666
    assert [x_of(log, name, "2026-04-01", window_weeks=13) for name in ("reopens", "complaints")] == [1, 1]
    assert [x_of(log, name, "2026-04-02", window_weeks=13) for name in ("reopens", "complaints")] == [0, 0]
    assert x_of(log_with_usage(), "urgent_age", "2026-01-02") is None


def test_invoice_signals() -> None:
    """Due at 00:00, open: fine at that tick, 9 days overdue ten days later; without a due date from overdue - days_late."""
    log = Log()
    log.add("invoice", "2026-01-01", invoice_id="I", action="issued", due_at=millis("2026-01-05"))
    assert x_of(log, "overdue", "2026-01-05") == 100_000
    assert x_of(log, "overdue", "2026-01-14T18:00") == 9
    log.add("invoice", "2026-01-10", invoice_id="J", action="overdue", days_late=8)
    assert x_of(log, "overdue", "2026-01-14T18:00") == 12  # since 2026-01-02
    for name in ("I", "J"):
        log.add("invoice", "2026-01-15", invoice_id=name, action="payment_failed")
        log.add("invoice", "2026-01-16", invoice_id=name, action="disputed")
        log.add("invoice", "2026-01-17", invoice_id=name, action="paid")
    assert x_of(log, "overdue", "2026-01-18") == 100_000
    assert x_of(log, "payment_trouble", "2026-01-18", window_weeks=13) == 4
    assert x_of(log, "late_payments", "2026-01-18", window_weeks=26) == 2
    assert x_of(log_with_usage(), "overdue", "2026-01-18") is None


def test_sentiment_fades() -> None:
    """80 and 60: 70000; a half-life after the newest 60000, four half-lives after 51250; below the middle it rises."""
    log = Log()
    log.add("survey", "2026-01-01", kind="nps", score=8)
    log.add("survey", "2026-01-02", kind="nps", score=6)
    days = ("2026-01-02", "2026-01-12", "2026-02-11")
    assert [x_of(log, "nps", day, half_life_days=10) for day in days] == [70_000, 60_000, 51_250]
    log.add("survey", "2026-01-02", kind="nps", score=1)  # 150000 // 3 = 50000
    log.add("survey", "2026-01-02", kind="nps", score=4.999)  # 199990 // 4 = 49997
    assert x_of(log, "nps", "2026-01-12", half_life_days=10) == 49_998  # 50000 + (-3 * 500000 // 1000000)
    assert x_of(log, "csat", "2026-01-12", half_life_days=10) is None


def test_mrr_growth() -> None:
    """Against the month a year ago, which lasts until the next; before a year has passed against the first month."""
    log = Log()
    for month, mrr in (("01", 100), ("03", 150), ("05", 90)):
        log.add("account", f"2026-{month}-10", action="updated", mrr=mrr)
    assert x_of(log, "mrr_growth", "2026-04-30", tick=DAY) == 1500
    assert x_of(log, "mrr_growth", "2026-12-31", tick=DAY) == 900
    assert x_of(log, "mrr_growth", "2027-02-28", tick=DAY) == 900  # 2026-02 is as 2026-01
    assert x_of(log, "mrr_growth", "2027-03-01", tick=DAY) == 600
    log.add("account", "2026-01-11", action="updated", mrr=0)
    assert x_of(log, "mrr_growth", "2026-05-30", tick=DAY) is None
    assert x_of(log_with_usage(), "mrr_growth", "2026-01-02") is None


def test_time_to_value() -> None:
    """Tracked from the first `value_event`, counted from the creation, until the first true one."""
    log = log_with_usage()
    log.add("account", "2025-12-30", action="created")
    assert x_of(log, "time_to_value", "2026-01-02") is None
    log.add("usage", "2026-01-02", value_event=False)
    assert x_of(log, "time_to_value", "2026-01-06") == 7
    log.add("usage", "2026-01-03", value_event=True)
    assert x_of(log, "time_to_value", "2026-01-06") == 4


def test_score_coverage_and_tier() -> None:
    """(3 * 80000 + 1 * 21667) // 4 with weights 3 and 1 of 5; the tier comes from MRR, then from the account itself."""
    flat = {"curve": [[0, 21_667], [1, 21_667]]}
    model = model_of(
        s={"csat": {"half_life_days": 10**9}}, t={"reopens": {"window_weeks": 1, **flat}}, u={"nps": {}}
    )
    for name, weight in (("s", 3), ("t", 1), ("u", 1)):
        model["dimensions"][name]["weight"] = {"low_touch": weight, "high_touch": int(name == "t")}
    log = Log()
    score_at(log, NEW_YEAR, 80)
    log.add("ticket", "2026-01-01", ticket_id="T", action="opened")
    first = log.told(model).ticks[-1]
    assert (first.score, first.coverage) == (65_416, 800)
    assert first.dimensions == {"s": 80_000, "t": 21_667, "u": None}
    log.add("account", "2026-01-01T01:00", action="updated", mrr=5000)
    high = log.told(model).ticks[-1]
    assert (high.score, high.coverage, high.dimensions["s"]) == (21_667, 1000, None)
    log.add("account", "2026-01-01T02:00", action="updated", tier="low_touch")
    assert log.told(model).ticks[-1].score == 65_416


def test_a_young_account_is_scored_by_its_onboarding() -> None:
    """Below 30 days onboarding counts alone: two days to the value are 100000 - 2 * 30000 / 14 = 95714; then the others."""
    log = log_with_usage()
    log.add("usage", "2026-01-03", value_event=True)
    young = log.told(DEFAULT_MODEL, until="2026-01-30").ticks[-1]
    assert (young.score, young.coverage, young.dimensions["product_usage"]) == (95_714, 1000, None)
    grown = log.told(DEFAULT_MODEL, until="2026-01-31").ticks[-1]
    assert (grown.dimensions["onboarding"], grown.coverage) == (None, 394)  # 30 of 76


def test_bands_hold_and_exit() -> None:
    """First at once; green falls below 65 and only after 24 h; red rises at 45, not at 40; a return stops the clock."""
    log = Log()
    for hours, points in (
        (0, 70),
        (2, 65),
        (5, 64),
        (8, 66),
        (10, 50),
        (60, 39),
        (70, 41),
        (80, 30),
        (100, 44),
        (130, 45),
    ):
        score_at(log, NEW_YEAR + hours * HOUR, points)
    out = bands(log, answered(), "2026-01-08")
    # 5 h: 64 pends amber, 8 h: stopped; 10 h: amber at 34 h; 60 h: red pends, 70 h stopped, 80 h: red at 92 h; 130 h + 24 h
    assert out == [("green", 0), ("amber", 34), ("red", 92), ("amber", 154)]


def test_a_pending_band_is_due_between_full_hours() -> None:
    """Pending since 00:11, red holds 12 h: it takes effect at 12:11, at a tick that evaluates nobody else."""
    log = Log()
    score_at(log, NEW_YEAR, 90)
    score_at(log, NEW_YEAR, 90, "b")
    score_at(log, NEW_YEAR + 11 * MINUTE, 10)
    out = log.told(answered(), tick=MINUTE, until="2026-01-01T12:30")
    account = out.accounts["a"]
    assert (account["band"], account["previous_band"], account["band_since"]) == (
        "red",
        "green",
        NEW_YEAR + 731 * MINUTE,
    )
    assert [line.account_id for line in out.ticks if line.as_of == NEW_YEAR + 731 * MINUTE] == ["a"]


def test_missing_evidence_does_not_lift_a_band() -> None:
    """100 and 20 make amber; when the 20 goes missing the score is 100, the guard still 60; a better 100 lifts it."""
    seats = {"seat_ratio": {"curve": [[0, 20_000], [1, 20_000], [9000, 100_000]]}}
    model = model_of(mood={"csat": {"half_life_days": 10**9}}, seats=seats)
    log = log_with_usage(active_users=1)
    log.add("account", NEW_YEAR, action="updated", seats=1000)
    score_at(log, NEW_YEAR, 100)
    out = log.told(model, tick=DAY, until="2026-02-10")
    assert (out.ticks[-1].score, out.ticks[-1].band, out.ticks[-1].coverage) == (100_000, "amber", 500)
    assert out.accounts["a"]["last_sub"] == {"mood": 100_000, "seats": 20_000}
    log.add("usage", "2026-02-10", active_users=9000)
    assert bands(log, model, "2026-02-12", tick=DAY) == [("amber", 0), ("green", 41 * 24)]


def test_too_little_coverage_has_no_band() -> None:
    """Below the minimum the band goes after 24 h; from none the next takes effect at once."""
    model = model_of(
        mood={"csat": {"half_life_days": 10**9}}, seats={"seat_ratio": {}}, value={"time_to_value": {}}
    )
    model["dimensions"]["seats"]["weight"]["low_touch"] = 2
    log = log_with_usage(active_users=10**8)
    log.add("account", NEW_YEAR, action="updated", seats=1)
    score_at(log, NEW_YEAR, 90)
    gone = (35 + 1) * 24  # five weeks later, 24 h of hold
    assert bands(log, model, "2026-02-10") == [("green", 0), ("insufficient_data", gone)]
    log.add("usage", "2026-02-09", active_users=10**8)
    assert bands(log, model, "2026-02-10")[-1] == ("green", 39 * 24)


def test_ceilings() -> None:
    """A notice pulls to red at once and lets go with auto-renew; auto-renew off and an old invoice cap at amber."""
    model = answered(ceilings=DEFAULT_MODEL["ceilings"])
    log = Log()
    score_at(log, NEW_YEAR, 90)
    log.add("account", NEW_YEAR + HOUR, action="churn_notice")
    log.add("account", NEW_YEAR + 2 * HOUR, action="updated", auto_renew=True)
    log.add("account", NEW_YEAR + 40 * HOUR, action="updated", auto_renew=False)
    out = bands(log, model, "2026-01-03")
    assert out == [("green", 0), ("red", 1), ("green", 26), ("amber", 40)]
    owing = Log()
    score_at(owing, NEW_YEAR, 90)
    owing.add("invoice", NEW_YEAR, invoice_id="I", action="issued", due_at=NEW_YEAR)
    assert bands(owing, model, "2026-03-03") == [("green", 0), ("amber", 60 * 24)]


def test_a_ceiling_holds_without_a_score() -> None:
    """An account of which nothing but a churn notice is known is red."""
    log = Log()
    log.add("account", NEW_YEAR, action="churn_notice")
    assert bands(log, answered(ceilings=DEFAULT_MODEL["ceilings"]), "2026-01-01") == [("red", 0)]


def test_history_and_velocity() -> None:
    """The first score of a day is kept; 72.34 on day 0 and 60 on day 7: -1234; on day 8 there is no day 1."""
    log = Log()
    score_at(log, NEW_YEAR + HOUR, 72.345)
    score_at(log, NEW_YEAR + 2 * HOUR, 50)
    score_at(log, NEW_YEAR + 7 * DAY, 60)
    one = log.told(answered(), tick=HOUR).accounts["a"]
    assert (one["history"][20454], one["history"][20455], one["velocity_7d"]) == (7234, 5000, 6000 - 7234)
    assert (one["velocity_28d"], len(one["history"])) == (None, 8)
    long = log.told(answered(), tick=DAY, until="2026-05-01").accounts["a"]
    assert (min(long["history"]), len(long["history"]), long["velocity_28d"]) == (20454 + 21, 100, 0)


def test_band_alerts_fire_once_an_episode() -> None:
    """Red fires, amber resolves, red again is episode 2; without data it keeps firing; the end of the account resolves."""
    log = Log()
    for hours, points in ((0, 30), (1, 50), (30, 20)):
        score_at(log, NEW_YEAR + hours * HOUR, points)
    log.add("churn", NEW_YEAR + 50 * HOUR)
    log.add("account", NEW_YEAR + 60 * HOUR, action="signup")
    score_at(log, NEW_YEAR + 61 * HOUR, 10)
    out = log.told(answered())
    said = [
        (a["phase"], (a["at"] - NEW_YEAR) // HOUR, a["term"], a["episode"], a["band"]) for a in out.alerts
    ]
    assert said == [
        ("firing", 0, 0, "1", "red"),
        ("resolved", 25, 0, "1", "amber"),  # 50 since 1 h
        ("firing", 42, 0, "2", "red"),  # 20 since 30 h
        ("resolved", 50, 0, "2", "ended"),
        ("firing", 61, 1, "1", "red"),
    ]
    digest = hashlib.sha256(b"a\0band_entered\x000\x001").hexdigest()
    assert out.alerts[0]["id"] == digest[:32]
    assert out.accounts["a"]["episodes"] == {"band_entered": 1}


def test_a_band_alert_waits_for_its_hold() -> None:
    """With a hold of 5 h red fires 5 h after it was entered."""
    log = Log()
    score_at(log, NEW_YEAR, 30)
    model = answered(rules={"band_entered": {"severity": "critical", "bands": ["red"], "hold_hours": 5}})
    assert [a["at"] for a in log.told(model, until="2026-01-02").alerts] == [NEW_YEAR + 5 * HOUR]


def test_without_data_an_alert_keeps_firing() -> None:
    """The only answer is forgotten after 128 days, 24 h later the band is none: the alert neither resolves nor fires again."""
    log = Log()
    score_at(log, NEW_YEAR, 30)
    out = log.told(answered(), tick=DAY, until="2026-05-20")
    assert out.ticks[-1].band == "insufficient_data"
    assert [a["phase"] for a in out.alerts] == ["firing"]


def test_a_complaint_fires_once_per_ticket() -> None:
    """It fires at its own time, resolves at the tick at which the ticket is closed, and not again when it is reopened."""
    log = Log()
    log.add("ticket", NEW_YEAR, ticket_id="T", action="opened")
    log.add("ticket", NEW_YEAR + 1, ticket_id="T", action="updated", complaint=True)
    log.add("ticket", NEW_YEAR + 3 * HOUR, ticket_id="T", action="closed", complaint=True)
    log.add("ticket", NEW_YEAR + 5 * HOUR, ticket_id="T", action="reopened", complaint=True)
    log.add("ticket", NEW_YEAR + 5 * HOUR, ticket_id="U", action="opened", complaint=True)
    log.add("churn", NEW_YEAR + 6 * HOUR)
    log.add("ticket", NEW_YEAR + 7 * HOUR, ticket_id="V", action="opened", complaint=True)
    said = [(a["episode"], a["phase"], a["at"] - NEW_YEAR) for a in log.told(answered()).alerts]
    assert said == [
        ("T", "firing", 1),
        ("T", "resolved", 3 * HOUR),
        ("U", "firing", 5 * HOUR),
        ("U", "resolved", 6 * HOUR),
    ]


def test_differences_are_told_by_path() -> None:
    """Keys compare as text, tuples as lists; every differing value is one line."""
    expected = {"a": {"usage": {1: 5, 2: 6}, "times": (1, 2), "band": "red"}, "b": {}}
    same = {"a": {"usage": {"1": 5, "2": 6}, "times": [1, 2], "band": "red"}, "b": {}}
    other = {"a": {"usage": {1: 5, 2: 7}, "times": (1,), "band": "red", "score": None}}
    assert differences(expected, same) == []
    assert differences(expected, other) == [
        "a.score: expected 'nothing', got None",
        "a.times#1: expected 2, got 'nothing'",
        "a.usage[2]: expected 6, got 7",
        "b: expected {}, got 'nothing'",
    ]
