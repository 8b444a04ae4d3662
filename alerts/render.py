"""Wording: an alert as plain text for people and as a JSON document for programs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec import Struct

from alerts import wording
from alerts.model import Alert, Evidence, Kind, Phase, Reason, Severity
from scoring.events import CURRENCY_DIGITS

SCHEMA_VERSION: Final = 1
MAX_FIELD: Final = 256
MAX_EVIDENCE: Final = 500
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_BAND_WORDS: Final = {"insufficient_data": "unscored (too little data)", "ended": "ended"}
_BARS: Final = "▁▂▃▄▅▆▇█"


class Notification(Struct, frozen=True, kw_only=True):
    """The JSON document a sink sends. Points have one decimal; `(id, phase, revision)` identifies it for ever."""

    schema: int = SCHEMA_VERSION
    id: str
    phase: Phase
    revision: int
    """Counts what was told again while it fires."""
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
    drivers: list[Evidence]
    """The dimensions that cost the account most points, worst first."""
    history: list[float | None]
    """Points at the start of each of the last 30 days, oldest first; null: not scored."""
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


def moves(alert: Alert) -> list[str]:
    """How the score moved in 7 and in 28 days, as far as that is known."""
    known = ((7, alert.velocity_7d), (28, alert.velocity_28d))
    return [f"{moved(value)} in {days} days" for days, value in known if value is not None]


def sparkline(history: Sequence[int | None]) -> str:
    """Daily scores (hundredths of a point) as bars from 0 to 100, a dot for a day without; cut at the first."""
    first = next((i for i, day in enumerate(history) if day is not None), len(history))
    return "".join(
        "·" if day is None else _BARS[min(max(day, 0) * 8 // 10_000, 7)] for day in history[first:]
    )


def money(minor: int, currency: str) -> str:
    """An amount in minor units, with the digits of its currency."""
    digits = CURRENCY_DIGITS.get(currency.upper(), 2)
    sign, whole = "-" if minor < 0 else "", abs(minor) // 10**digits
    fraction = f".{abs(minor) % 10**digits:0{digits}d}" if digits else ""
    return f"{sign}{whole:,}{fraction} {plain(currency)}".rstrip()


def band(code: str) -> str:
    """A band in words."""
    return _BAND_WORDS.get(code, plain(code))


def plain(value: object, limit: int = MAX_FIELD) -> str:
    """One line without control or direction characters: names come from outside and land in terminals."""
    kept = "".join(char if char.isprintable() else " " for char in str(value))
    return kept if len(kept) <= limit else f"{kept[: limit - 1]}…"


def name(alert: Alert) -> str:
    """The account's name, else its id, on one line."""
    return plain(alert.attributes.get("name") or alert.account_id)


def title(alert: Alert) -> str:
    """How urgent, who, what happened."""
    return f"{wording.label(alert)}: {name(alert)} {happened(alert)}"


def headline(alert: Alert) -> str:
    """One line: how urgent, who, what happened, where the score stands."""
    return f"{title(alert)}{_standing(alert)}"


def happened(alert: Alert) -> str:
    """What happened, to follow the name of the account."""
    return plain(wording.happened(alert, band(alert.band)))


def text(alert: Alert) -> str:
    """The whole message in plain words: headline, context, one line for each reason, the play."""
    lines = [headline(alert)]
    if context := _context(alert):
        lines.append(context)
    lines += [f"- {reason}" for reason in reasons(alert)]
    if alert.play and alert.phase is not Phase.RESOLVED:
        lines.append(f"Play: {plain(alert.play, MAX_EVIDENCE)}")
    return "\n".join(lines)


def costs(alert: Alert) -> list[Evidence]:
    """What costs the account most points; nothing for an opportunity: it is no reason to ask a healthy account."""
    return alert.drivers if alert.kind is Kind.RISK else []


def reasons(alert: Alert) -> list[str]:
    """What the rule saw and what costs the account most, each on one line."""
    return [_evidence(item) for item in (*alert.evidence, *costs(alert))]


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
        revision=alert.revision,
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
        drivers=alert.drivers,
        history=[None if day is None else day / 100 for day in alert.history],
        play=alert.play,
        attributes=alert.attributes,
        model=alert.model,
    )


def _standing(alert: Alert) -> str:
    parts = [] if alert.score is None else [f"{points(alert.score)} points"]
    if alert.rule == "band_entered" and alert.previous_band and alert.previous_band != alert.band:
        parts.append(f"was {band(alert.previous_band)}")
    parts += moves(alert)
    return f" ({', '.join(parts)})" if parts else ""


def _context(alert: Alert) -> str:
    attributes = alert.attributes
    parts = [f"Account {plain(alert.account_id)}"]
    if isinstance(attributes.get("mrr"), int):
        parts.append(f"MRR {money(attributes['mrr'], str(attributes.get('currency') or ''))}")
    parts += [
        f"{label} {plain(attributes[key])}"
        for key, label in (("tier", "tier"), ("renewal_date", "renews"), ("owner", "owner"), ("csm", "CSM"))
        if attributes.get(key)
    ]
    return ", ".join(parts)


def _evidence(item: Evidence) -> str:
    reason = plain(item.text, MAX_EVIDENCE)
    shown = ", ".join(plain(event) for event in item.events[:3])
    more = f" and {len(item.events) - 3} more" if len(item.events) > 3 else ""
    return f"{reason} [{shown}{more}]" if shown else reason


def _instant(ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
