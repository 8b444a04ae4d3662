"""Wording of alerts."""

import json

import pytest

from alerts import render
from alerts.model import Alert, Evidence, Kind, Phase, Reason, Severity
from scoring.model import Rules


def make(**changes) -> Alert:
    values = {
        "id": "0" * 32,
        "phase": Phase.FIRING,
        "rule": "band_entered",
        "kind": Kind.RISK,
        "severity": Severity.CRITICAL,
        "reason": Reason.CONDITION_MET,
        "account_id": "a-17",
        "term": 0,
        "episode": "1",
        "at": 1_767_225_600_000,
        "tick": 1_767_225_600_000,
        "score": 39_990,
        "band": "red",
        "previous_band": "amber",
        "coverage": 870,
        "velocity_7d": -655,
        "velocity_28d": 40,
        "evidence": [Evidence("usage fell to 35 % of its baseline", ["u1", "u2", "u3", "u4"])],
        "play": "Call the sponsor this week.",
        "attributes": {"name": "Acme Corp", "mrr": 125_000, "currency": "EUR", "owner": "dana@example.com"},
    }
    return Alert(**(values | changes))


def test_text():
    """An alert reads as headline, context, evidence and play."""
    assert render.text(make()).splitlines() == [
        "Critical: Acme Corp turned red (39.9 points, was amber, -6.6 in 7 days, +0.4 in 28 days)",
        "Account a-17, MRR 1,250.00 EUR, owner dana@example.com",
        "- usage fell to 35 % of its baseline [u1, u2, u3 and 1 more]",
        "Play: Call the sponsor this week.",
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"phase": Phase.RESOLVED, "band": "amber", "previous_band": "red"},
            "Resolved: Acme Corp is amber again (39.9",
        ),
        ({"rule": "complaint", "severity": Severity.WARNING}, "Warning: Acme Corp has an open complaint ("),
        ({"rule": "complaint", "phase": Phase.RESOLVED}, "Resolved: Acme Corp has its complaint settled"),
        (
            {"phase": Phase.RESOLVED, "reason": Reason.ACCOUNT_ENDED},
            "Resolved: Acme Corp band entered closed, the account ended",
        ),
        (
            {"rule": "expansion_signal", "kind": Kind.OPPORTUNITY},
            "Opportunity: Acme Corp has expansion signal",
        ),
        ({"attributes": {}}, "Critical: a-17 turned red"),
        (
            {"score": None, "previous_band": None, "velocity_7d": None, "velocity_28d": None},
            "Critical: Acme Corp turned red",
        ),
    ],
)
def test_headline(changes, expected):
    """The headline names phase or severity, the account, what happened, and nothing that is unknown."""
    assert render.headline(make(**changes)).startswith(expected)


@pytest.mark.parametrize(
    ("thousandths", "expected"),
    [(0, "0.0"), (100_000, "100.0"), (39_999, "39.9"), (40_000, "40.0"), (50, "0.0")],
)
def test_points_are_cut(thousandths, expected):
    """A score never reads as one of a better band."""
    assert render.points(thousandths) == expected


def test_money_follows_the_currency():
    """Minor units have the digits of their currency."""
    yen = {"mrr": 1_250_000, "currency": "JPY"}
    dinar = {"mrr": -1_500, "currency": "KWD"}
    assert "MRR 1,250,000 JPY" in render.text(make(attributes=yen))
    assert "MRR -1.500 KWD" in render.text(make(attributes=dinar))


def test_names_cannot_steer_a_terminal():
    """Control, line-break and direction characters of names and evidence do not reach the reader."""
    name = "Evil\x1b[31m\nCritical: Fake Corp\u202e turned red"
    text = render.text(make(attributes={"name": name}, evidence=[Evidence("x\r\ny\u2028z")]))
    assert len(text.splitlines()) == 4
    assert not any(ord(char) < 32 and char != "\n" for char in text)
    assert "\u202e" not in text
    assert "\n" not in render.line(make(attributes={"name": name}))


def test_body_is_deterministic_json_in_points():
    """The document is the same bytes for the same alert, with points, shares and RFC 3339 times."""
    alert = make()
    body = json.loads(render.body(alert))
    assert render.body(alert) == render.body(make())
    assert body["score"] == 39.9
    assert body["velocity_7d"] == -6.6
    assert body["coverage"] == 0.87
    assert body["at"] == "2026-01-01T00:00:00.000Z"
    assert body["text"] == render.text(alert)
    assert body["title"] == render.headline(alert)
    assert (body["id"], body["phase"]) == ("0" * 32, "firing")


def test_drivers_are_told_after_the_evidence():
    """What costs the account most follows what the rule saw; of an opportunity it is left out."""
    said = {"evidence": [Evidence("red since noon")],
            "drivers": [Evidence("support down to 12 of 100: ticket T-9001 opened", ["t1"])]}  # fmt: skip
    assert render.text(make(**said)).splitlines()[2:4] == [
        "- red since noon",
        "- support down to 12 of 100: ticket T-9001 opened [t1]",
    ]
    assert render.reasons(make(kind=Kind.OPPORTUNITY, **said)) == ["red since noon"]


def test_body_carries_what_slack_shows():
    """Revision, drivers and the daily history in points are in the document."""
    body = json.loads(render.body(make(revision=2, drivers=[Evidence("x")], history=[None, 3_999])))
    assert (body["revision"], body["drivers"], body["history"]) == (2, [{"text": "x"}], [None, 39.99])


@pytest.mark.parametrize(
    ("history", "bars"),
    [
        ([0, 1_249, 1_250, 5_000, 9_999, 10_000], "▁▁▂▅██"),
        ([None, None, 5_000, None, 5_000], "▅·▅"),
        ([None], ""),
        ([], ""),
    ],
)
def test_sparkline(history, bars):
    """Bars stand for eighths of 0 to 100 points, a dot for a day without; nothing is before the first score."""
    assert render.sparkline(history) == bars


def test_every_rule_has_words():
    """Each rule that can be switched on is told in words of its own."""
    rules = set(Rules.model_fields) - {"silence"} | {"silence_usage", "silence_engagement"}
    assert {
        rule for rule in rules if render.happened(make(rule=rule)).startswith("has " + rule.replace("_", " "))
    } == set()
