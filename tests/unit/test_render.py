"""Wording of alerts."""

import json

import pytest

from alerts import render
from alerts.model import Alert, Evidence, Kind, Phase, Reason, Severity


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
