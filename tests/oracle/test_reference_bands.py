"""The reference, case by case with numbers worked out by hand: score, bands, history, alerts."""

from __future__ import annotations

import hashlib
from typing import Any

from tests.oracle.instants import DAY, HOUR, MINUTE
from tests.oracle.logbook import NEW_YEAR, Log, answered, log_with_usage, model_of, score_at
from tests.oracle.models import DEFAULT_MODEL


def bands(log: Log, model: dict[str, Any], until: str, tick: int = HOUR) -> list[tuple[str, int]]:
    """Changes of the band of account a: name and hours since the new year."""
    changes: list[tuple[str, int]] = []
    for line in log.told(model, tick=tick, until=until).ticks:
        if line.account_id == "a" and (not changes or changes[-1][0] != line.band):
            changes.append((line.band, (line.as_of - NEW_YEAR) // HOUR))
    return changes


def test_score_coverage_and_tier() -> None:
    """(3 * 80000 + 1 * 21667) // 4 with weights 3 and 1 of 5; the tier comes from MRR unless it was said."""
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
    """Below 30 days onboarding counts alone, two days to value: 100000 - 2 * 30000 / 14; then the rest."""
    log = log_with_usage()
    log.add("usage", "2026-01-03", value_event=True)
    young = log.told(DEFAULT_MODEL, until="2026-01-30").ticks[-1]
    assert (young.score, young.coverage, young.dimensions["product_usage"]) == (95_714, 1000, None)
    grown = log.told(DEFAULT_MODEL, until="2026-01-31").ticks[-1]
    assert (grown.dimensions["onboarding"], grown.coverage) == (None, 288)  # 30 of 104


def test_bands_hold_and_exit() -> None:
    """First at once; green falls below 65, after 24 h; red rises at 45; a return stops the clock."""
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
    # amber pends 5 to 8 h and from 10 h, red 60 to 70 h and from 80 h, amber from 130 h
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
    """100 and 20 make amber; when the 20 goes missing the score is 100, the guard still 60."""
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
    """A notice pulls to red until auto-renew is on; auto-renew off and an old invoice cap at amber."""
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
    """Red fires, amber resolves, red again is episode 2, which the end of the account resolves."""
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
    level = {"episode": 1, "firing": True, "revision": 0, "band": "red"}
    assert out.accounts["a"]["levels"] == {"band_entered": level}


def test_a_band_alert_waits_for_its_hold() -> None:
    """With a hold of 5 h red fires 5 h after it was entered."""
    log = Log()
    score_at(log, NEW_YEAR, 30)
    model = answered(rules={"band_entered": {"severity": "critical", "bands": ["red"], "hold_hours": 5}})
    assert [a["at"] for a in log.told(model, until="2026-01-02").alerts] == [NEW_YEAR + 5 * HOUR]


def test_without_data_an_alert_keeps_firing() -> None:
    """The only answer is forgotten after 128 days, then the band: the alert does not resolve."""
    log = Log()
    score_at(log, NEW_YEAR, 30)
    out = log.told(answered(), tick=DAY, until="2026-05-20")
    assert out.ticks[-1].band == "insufficient_data"
    assert [a["phase"] for a in out.alerts] == ["firing"]


def test_a_complaint_fires_once_per_ticket() -> None:
    """It fires at its own time, resolves at the tick at which the ticket is closed, and fires once."""
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
