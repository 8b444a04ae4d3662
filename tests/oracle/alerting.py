"""Alerts as lines, and the order in which a tick tells them (section 8)."""

from __future__ import annotations

import hashlib
from typing import Any

from tests.oracle.account import AccountRow
from tests.oracle.bands import BANDS

AlertLine = dict[str, Any]
OPPORTUNITIES = ("upsell", "cross_sell", "advocate")
UNLESS_SAID = {
    "critical": (
        "band_entered",
        "urgent_ticket_ageing",
        "sponsor_departed",
        "churn_notice",
        "auto_renew_off",
    ),
    "info": ("feature_declined", "coverage_lost", *OPPORTUNITIES),
}
"""Severities of rules whose options name none; all others: warning."""


def alert_id(*parts: object) -> str:
    """First 16 bytes, hex, of SHA-256 over account, rule, term and episode, joined by NUL."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).digest()[:16].hex()


def shown_band(row: AccountRow) -> str:
    """The name of the band as of the last tick."""
    return "ended" if row.was_ended else BANDS[row.term.standing.band]


def alert(row: AccountRow, rule: str, phase: str, at: int, episode: str, revision: int = 0) -> AlertLine:
    """One phase of an alert."""
    number = row.term.number
    return {
        "id": alert_id(row.account_id, rule, number, episode),
        "account_id": row.account_id,
        "rule": rule,
        "phase": phase,
        "revision": revision,
        "at": at,
        "term": number,
        "episode": episode,
        "band": shown_band(row),
    }


def urgency(rule: str, rules: dict[str, Any]) -> dict[str, str]:
    """The kind of a rule, and its severity under these options."""
    options = rules["silence" if rule.startswith("silence_") else rule]
    usual = [severity for severity, names in UNLESS_SAID.items() if rule in names]
    return {
        "kind": "opportunity" if rule in OPPORTUNITIES else "risk",
        "severity": options.get("severity", usual[0] if usual else "warning"),
    }
