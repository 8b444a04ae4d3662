"""The reference, case by case with numbers worked out by hand: the signals."""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle.facts import bit
from tests.oracle.instants import DAY, HOUR, millis
from tests.oracle.logbook import Log, log_with_usage, model_of
from tests.oracle.signals import curve, half_life, linear_counting

JUNE = millis("2026-06-01")


def x_of(log: Log, signal: str, until: str, *, tick: int = HOUR * 6, **options: Any) -> int | None:
    """The x of one signal at a time."""
    return log.told(model_of(only={signal: options}), tick=tick, until=until).ticks[-1].dimensions["only"]


def test_curves_round_down_and_end() -> None:
    """From (10, 0) to (13, 100): 33 a step; outside, the ends; downwards `//` rounds down too."""
    rising, falling = [[10, 0], [13, 100]], [[0, 100], [3, 0]]
    assert [curve(x, rising) for x in (9, 10, 11, 12, 13, 14)] == [0, 0, 33, 66, 100, 100]
    assert [curve(x, falling) for x in (0, 1, 2, 3)] == [100, 66, 33, 0]  # 100 + (-100 // 3) = 66


def test_linear_counting_and_half_lives() -> None:
    """64 ln(64/61) = 3.0726; a full sketch has half a free bit: 64 ln 128 = 310.530; a half-life halves."""
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
    """14 days and 6 h against 2 a day: 21000 * d * 24000 // (2000 d * 342) = 736; 12 days are too few."""
    options = {"recent_days": 14, "baseline_days": 76, "minimum": 20, "min_age_days": min_age}
    assert x_of(trend_log(first_day), "usage_trend", "2026-06-01T06:00", **options) == expected


def test_adoption_breadth() -> None:
    """Three features; none in five weeks: 0; younger than a week or never a feature: missing."""
    assert len({bit(name, 64) for name in ("a", "b", "c")}) == 3
    log = Log()
    log.add("usage", "2026-01-01", "b")
    log.add("usage", "2026-01-01", feature="a", counts={"b": 2, "c": 1, "d": 0})
    assert x_of(log, "adoption_breadth", "2026-01-07T18:00") is None
    assert x_of(log, "adoption_breadth", "2026-02-05") is None  # b, the last line
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


def test_seat_ratio() -> None:
    """Five on 30 seats: 5000 // 30 = 166; one by name: 1002 // 30 = 33; no seats or nobody: missing."""
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
    """Two tickets on 30 seats are 6666; of two urgent ones the older counts, then the one still open."""
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
    """Due at 00:00: fine at that tick, then by whole days; without a due date from overdue - days_late."""
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
    """80 and 60: 70000; a half-life after the newest 60000, four after 51250; below the middle it rises."""
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
    """Against the month a year ago, which lasts until the next; in the first year against the first."""
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
