"""The reference, case by case with numbers worked out by hand: facts, and the ladder of renewals."""

from __future__ import annotations

from typing import Any

from tests.oracle.alerting import urgency
from tests.oracle.cast import date_of
from tests.oracle.instants import DAY, HOUR
from tests.oracle.logbook import NEW_YEAR, Log, answered, score_at, told_of

Told = list[tuple[str, str, float]]
LADDER = {"rungs": [120, 90, 60, 30], "bands": ["red", "amber"]}


def after(days: float) -> int:
    """A time so many days after the new year."""
    return NEW_YEAR + int(days * DAY)


def text(days: float) -> str:
    """The same as text."""
    return date_of(after(days))


def both(item: str, on: float, off: float) -> Told:
    """An item that fires and resolves, in days since the new year."""
    return [("firing", item, on), ("resolved", item, off)]


def test_payment_failures_are_told_at_the_given_attempt() -> None:
    """The second failure of I, at its own time; the same instant again is none; payment resolves it."""
    log = Log()
    for day in (0.1, 0.1, 0.6, 0.7):
        log.add("invoice", after(day), invoice_id="I", action="payment_failed")
    log.add("invoice", after(3.5), invoice_id="I", action="paid")
    assert told_of(log, "payment_failure", text(9), attempts=2) == both("I", 0.6, 4)
    assert told_of(log, "payment_failure", text(9), attempts=4) == []


def left(log: Log, day: float, departed: bool, who: str = "boss") -> None:
    """Append that somebody left, or did not."""
    log.add("engagement", after(day), channel="email", contact_id=who, departed=departed)


def spoke(log: Log, day: float, who: str, role: str = "champion") -> None:
    """Append a meeting with somebody."""
    log.add("engagement", after(day), channel="meeting", contact_id=who, role=role)


def test_a_sponsor_departs_and_is_replaced() -> None:
    """It fires when it is told; an heir who wrote before does not help, one who replies afterwards does."""
    log = Log()
    spoke(log, 0, "boss", "executive")
    spoke(log, 1, "heir")
    left(log, 2.5, departed=True)
    assert told_of(log, "sponsor_departed", text(9)) == [("firing", "boss", 2.5)]
    spoke(log, 5, "user", "user")
    spoke(log, 6.5, "heir")
    assert told_of(log, "sponsor_departed", text(9)) == both("boss", 2.5, 7)


def test_a_sponsor_who_comes_back_is_told_of_once() -> None:
    """Back on day 4; leaving again is the same item. A user who becomes champion after leaving is news."""
    log = Log()
    spoke(log, 0, "boss")
    left(log, 2, departed=True)
    left(log, 4, departed=False)
    left(log, 6, departed=True)
    left(log, 7, departed=True, who="late")
    log.add("engagement", after(8.5), channel="email", contact_id="late", role="champion")
    expected = [*both("boss", 2, 4), ("firing", "late", 8.5)]
    assert told_of(log, "sponsor_departed", text(9)) == expected


def test_a_forgotten_sponsor_may_be_told_of_again() -> None:
    """Last seen on day 1: over and forgotten on day 129; a new departure is told again."""
    log = Log()
    spoke(log, 0, "boss")
    left(log, 1, departed=True)
    spoke(log, 130, "boss")
    left(log, 131, departed=True)
    assert told_of(log, "sponsor_departed", text(132)) == [*both("boss", 1, 129), ("firing", "boss", 131)]


def said(log: Log, day: float, action: str = "updated", **fields: Any) -> None:
    """Append news of the account."""
    log.add("account", after(day), action=action, **fields)


def item(day: float) -> str:
    """The item of an event."""
    return str(after(day))


def test_churn_notices() -> None:
    """One item while it fires; auto-renew revokes it; the next is a new one, and a new start revokes that."""
    log = Log()
    for day in (0.5, 1, 0.25):
        said(log, day, "churn_notice")
    said(log, 3, auto_renew=True)
    said(log, 5, "churn_notice")
    said(log, 7, "signup")
    expected = [*both(item(0.5), 0.5, 3), *both(item(5), 5, 7)]
    assert told_of(log, "churn_notice", text(9)) == expected


def test_a_notice_revoked_in_its_own_tick_is_told_and_resolved() -> None:
    """Both within the tick of day 1."""
    log = Log()
    said(log, 0.5, "churn_notice")
    said(log, 0.6, auto_renew=True)
    assert told_of(log, "churn_notice", text(2)) == both(item(0.5), 0.5, 1)


def test_auto_renew_off() -> None:
    """Each change to false is an item; saying so again is none; all are over when it is true."""
    log = Log()
    for day, renews in ((0.5, False), (1, False), (2, True), (2.25, False), (2.5, True), (2.75, False)):
        said(log, day, auto_renew=renews)
    said(log, 5, auto_renew=True)
    told = told_of(log, "auto_renew_off", text(9))
    expected = [*both(item(0.5), 0.5, 2), *both(item(2.25), 2.25, 5), *both(item(2.75), 2.75, 5)]
    assert sorted(told) == sorted(expected)


def test_facts_of_an_ended_account_are_not_told() -> None:
    """Notice given after the end, even within the tick of the return; what waited for the new term is told."""
    log = Log()
    said(log, 0)
    log.add("churn", after(1))
    said(log, 2, "churn_notice")
    said(log, 3.25, "signup", auto_renew=False)
    said(log, 3.5, "churn_notice")
    log.add("ticket", after(3.6), ticket_id="T", action="opened", complaint=True)
    rules: dict[str, Any] = {"churn_notice": {}, "auto_renew_off": {}, "complaint": {}}
    out = log.told(answered(rules=rules), tick=DAY, until=text(6))
    assert [(a["rule"], a["phase"], a["term"], a["at"]) for a in out.alerts] == [
        ("complaint", "firing", 1, after(3.6))
    ]


def renewing(day: float, points: float = 20, *, until: int = 1, **fields: Any) -> Log:
    """An account with such a mood that renews on a day."""
    log = Log()
    said(log, 0, renewal_date=text(day), **fields)
    for again in range(0, until, 100):  # an answer counts for 128 days
        score_at(log, after(again), points)
    return log


def rungs(told: Told) -> list[tuple[str, str, float]]:
    """The same without the dates in the items."""
    return [(phase, name.split("/")[1], day) for phase, name, day in told]


def test_the_renewal_ladder() -> None:
    """Renewal on day 150: rungs are entered on days 30, 60, 90 and 120, each for once, until the renewal."""
    told = told_of(renewing(150, until=150), "renewal_approaching", text(160), **LADDER)
    firing = [(name, day) for phase, name, day in told if phase == "firing"]
    assert firing == [(f"{text(150)}/{rung}", 150 - rung) for rung in (120, 90, 60, 30)]
    resolved = [(name, day) for phase, name, day in rungs(told) if phase == "resolved"]
    assert resolved == [("120", 60), ("90", 90), ("60", 120), ("30", 150)]


def test_sixty_days_of_notice_move_every_rung_by_sixty() -> None:
    """Renewal on day 210 with 60 days of notice: the deadline is day 150; the last rung lasts to the renewal."""
    told = rungs(
        told_of(renewing(210, until=210, notice_days=60), "renewal_approaching", text(220), **LADDER)
    )
    plain = rungs(told_of(renewing(210, until=210), "renewal_approaching", text(220), **LADDER))
    days = [[(rung, day) for phase, rung, day in t if phase == "firing"] for t in (told, plain)]
    assert days[0] == [("120", 30), ("90", 60), ("60", 90), ("30", 120)]
    assert days[1] == [("120", 90), ("90", 120), ("60", 150), ("30", 180)]
    assert told[-1] == ("resolved", "30", 210)


def test_each_rung_is_told_once() -> None:
    """Healthy for a while within a rung: it resolves and is not told again when the mood falls; the next rung is."""
    log = renewing(150)
    score_at(log, after(40), 90)
    score_at(log, after(45), 10)
    told = rungs(told_of(log, "renewal_approaching", text(65), tick=HOUR, **LADDER))
    # green after 24 h of hold
    assert told == [("firing", "120", 30), ("resolved", "120", 41), ("firing", "90", 60)]


def test_another_renewal_date_is_another_ladder() -> None:
    """Moved by a year the rung is over; moved back its items were forgotten and it is told again."""
    log = renewing(100)
    said(log, 20, renewal_date=text(465) + "T00:00:00Z")
    said(log, 25, renewal_date=text(100))
    said(log, 30, renewal_date="2026-13-01")
    told = rungs(told_of(log, "renewal_approaching", text(40), **LADDER))
    assert told == [
        ("firing", "120", 0),
        ("resolved", "120", 10),
        ("firing", "90", 10),
        ("resolved", "90", 20),
        ("firing", "90", 25),
        ("resolved", "90", 30),
    ]


def test_the_healthy_are_left_alone() -> None:
    """Green, or without a band: nothing; an account that ends resolves its rung."""
    assert told_of(renewing(50, 90), "renewal_approaching", text(60), **LADDER) == []
    log = Log()
    said(log, 0, renewal_date=text(50))
    assert told_of(log, "renewal_approaching", text(60), **LADDER) == []
    ending = renewing(50)
    ending.add("churn", after(10))
    assert rungs(told_of(ending, "renewal_approaching", text(60), **LADDER)) == [
        ("firing", "60", 0),
        ("resolved", "60", 10),
    ]


def test_what_ranks_an_account() -> None:
    """10.01 EUR at 20 points: 800.8 cents at risk; 45 of 180 days to the deadline: 1.75; from the renewal on nothing, nor once it ended."""
    log = renewing(100, until=100, notice_days=30, mrr=10.01, currency="EUR")
    model = answered(rules={})
    ranked = [log.told(model, tick=DAY, until=text(d)).accounts["a"]["ranking"] for d in (25, 70, 99, 100)]
    last = after(70)
    assert ranked == [
        {"mrr_at_risk": 800, "deadline": last, "urgency": 1_750},
        {"mrr_at_risk": 800, "deadline": last, "urgency": 2_000},
        {"mrr_at_risk": 800, "deadline": last, "urgency": 2_000},
        {"mrr_at_risk": 800},
    ]
    log.add("churn", after(30))
    assert log.told(model, tick=DAY, until=text(40)).accounts["a"]["ranking"] == {}


def test_kind_and_severity() -> None:
    """The option, else the usual one of the rule; every phase carries both; three rules are opportunities."""
    log = Log()
    said(log, 0.5, "churn_notice", auto_renew=False)
    said(log, 2, auto_renew=True)
    rules: dict[str, Any] = {"churn_notice": {"severity": "info"}, "auto_renew_off": {}}
    out = log.told(answered(rules=rules), tick=DAY, until=text(3))
    assert {(a["rule"], a["phase"], a["kind"], a["severity"]) for a in out.alerts} == {
        (rule, phase, "risk", severity)
        for rule, severity in (("churn_notice", "info"), ("auto_renew_off", "critical"))
        for phase in ("firing", "resolved")
    }
    told = {
        rule: urgency(rule, {rule: {}, "silence": {}}) for rule in ("advocate", "silence_usage", "no_value")
    }
    assert told["advocate"] == {"kind": "opportunity", "severity": "info"}
    assert told["silence_usage"] == told["no_value"] == {"kind": "risk", "severity": "warning"}
