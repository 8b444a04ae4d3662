"""Wording: an alert as plain text for people and as a JSON document for programs. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec import Struct

from alerts.model import Alert, Evidence, Kind, Phase, Reason, Severity
from scoring.events import CURRENCY_DIGITS

SCHEMA_VERSION: Final = 1
MAX_FIELD: Final = 256
MAX_EVIDENCE: Final = 500
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_BAND_WORDS: Final = {"insufficient_data": "unscored (too little data)", "ended": "ended"}
_RULE_WORDS: Final = {
    "band_entered": ("turned {band}", "is {band} again"),
    "complaint": ("has an open complaint", "has its complaint settled"),
}
_CLOSING_WORDS: Final = {
    Reason.ACCOUNT_ENDED: "{rule} closed, the account ended",
}


class Notification(Struct, frozen=True, kw_only=True):
    """The JSON document a sink sends. Points have one decimal; `(id, phase)` identifies it for ever."""

    schema: int = SCHEMA_VERSION
    id: str
    phase: Phase
    rule: str
    kind: Kind
    severity: Severity
    reason: Reason
    account_id: str
    at: str
    """RFC 3339, UTC: when the condition changed, in event time."""
    title: str
    text: str
    score: float | None
    """Points, 0 to 100."""
    band: str
    previous_band: str | None
    coverage: float
    """Share of the enabled weight that has evidence, 0 to 1."""
    velocity_7d: float | None
    """Points in 7 days."""
    velocity_28d: float | None
    """Points in 28 days."""
    evidence: list[Evidence]
    play: str
    attributes: dict[str, Any]
    """Account attributes; `mrr` in minor units of `currency`."""
    model: str


_encode: Final = msgspec.json.Encoder(order="deterministic").encode


def points(thousandths: int) -> str:
    """A score with one decimal, cut and not rounded: 39.99 must not read as the 40.0 of a better band."""
    return f"{thousandths // 100 / 10:.1f}"


def moved(hundredths: int) -> str:
    """A velocity with sign and one decimal, from hundredths of a point."""
    return f"{round(hundredths, -1) / 100:+.1f}"


def headline(alert: Alert) -> str:
    """One line: how urgent, who, what happened, where the score stands."""
    attributes = alert.attributes
    name = _plain(attributes.get("name") or alert.account_id)
    label = "Resolved" if alert.phase is Phase.RESOLVED else _label(alert)
    return f"{label}: {name} {_what(alert)}{_standing(alert)}"


def text(alert: Alert) -> str:
    """The whole message in plain words: headline, context, one line of evidence each, the play."""
    lines = [headline(alert)]
    if context := _context(alert):
        lines.append(context)
    lines += [f"- {_evidence(item)}" for item in alert.evidence]
    if alert.play and alert.phase is not Phase.RESOLVED:
        lines.append(f"Play: {_plain(alert.play, MAX_EVIDENCE)}")
    return "\n".join(lines)


def line(alert: Alert) -> str:
    """The whole message on one line."""
    return " | ".join(part.removeprefix("- ") for part in text(alert).splitlines())


def body(alert: Alert) -> bytes:
    """The JSON document, the same bytes for the same alert.

    Raises:
        OverflowError: `at` lies outside the years 1 to 9999.
    """
    return _encode(notification(alert))


def notification(alert: Alert) -> Notification:
    """The document behind `body`."""
    return Notification(
        id=alert.id,
        phase=alert.phase,
        rule=alert.rule,
        kind=alert.kind,
        severity=alert.severity,
        reason=alert.reason,
        account_id=alert.account_id,
        at=_instant(alert.at),
        title=headline(alert),
        text=text(alert),
        score=None if alert.score is None else float(points(alert.score)),
        band=alert.band,
        previous_band=alert.previous_band,
        coverage=alert.coverage / 1000,
        velocity_7d=None if alert.velocity_7d is None else float(moved(alert.velocity_7d)),
        velocity_28d=None if alert.velocity_28d is None else float(moved(alert.velocity_28d)),
        evidence=alert.evidence,
        play=alert.play,
        attributes=alert.attributes,
        model=alert.model,
    )


def _label(alert: Alert) -> str:
    return "Opportunity" if alert.kind is Kind.OPPORTUNITY else alert.severity.capitalize()


def _what(alert: Alert) -> str:
    rule = _plain(alert.rule.replace("_", " "))
    resolved = alert.phase is Phase.RESOLVED
    if resolved and alert.reason in _CLOSING_WORDS:
        return _CLOSING_WORDS[alert.reason].format(rule=rule)
    firing_words, resolved_words = _RULE_WORDS.get(alert.rule, ("has {rule}", "no longer has {rule}"))
    return (resolved_words if resolved else firing_words).format(rule=rule, band=_band(alert.band))


def _standing(alert: Alert) -> str:
    parts = [] if alert.score is None else [f"{points(alert.score)} points"]
    if alert.rule == "band_entered" and alert.previous_band and alert.previous_band != alert.band:
        parts.append(f"was {_band(alert.previous_band)}")
    moves = ((7, alert.velocity_7d), (28, alert.velocity_28d))
    parts += [f"{moved(value)} in {days} days" for days, value in moves if value is not None]
    return f" ({', '.join(parts)})" if parts else ""


def _context(alert: Alert) -> str:
    attributes = alert.attributes
    parts = [f"Account {_plain(alert.account_id)}"]
    if isinstance(attributes.get("mrr"), int):
        parts.append(f"MRR {_money(attributes['mrr'], str(attributes.get('currency') or ''))}")
    parts += [
        f"{label} {_plain(attributes[key])}"
        for key, label in (("tier", "tier"), ("renewal_date", "renews"), ("owner", "owner"), ("csm", "CSM"))
        if attributes.get(key)
    ]
    return ", ".join(parts)


def _evidence(item: Evidence) -> str:
    reason = _plain(item.text, MAX_EVIDENCE)
    shown = ", ".join(_plain(event) for event in item.events[:3])
    more = f" and {len(item.events) - 3} more" if len(item.events) > 3 else ""
    return f"{reason} [{shown}{more}]" if shown else reason


def _money(minor: int, currency: str) -> str:
    digits = CURRENCY_DIGITS.get(currency.upper(), 2)
    sign, whole = "-" if minor < 0 else "", abs(minor) // 10**digits
    fraction = f".{abs(minor) % 10**digits:0{digits}d}" if digits else ""
    return f"{sign}{whole:,}{fraction} {_plain(currency)}".rstrip()


def _band(name: str) -> str:
    return _BAND_WORDS.get(name, _plain(name))


def _instant(ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: object, limit: int = MAX_FIELD) -> str:
    """One line without control or direction characters: names come from outside and land in terminals."""
    kept = "".join(char if char.isprintable() else " " for char in str(value))
    return kept if len(kept) <= limit else f"{kept[: limit - 1]}…"
