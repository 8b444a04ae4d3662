"""How the demo words what it shows: accounts at risk, alerts, and what is planted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alerts.model import Kind, Severity
from alerts.render import Notification, sparkline
from scoring.record import ScoreRecord
from streams.cli.output import printable

BANDS: Final = ("green", "amber", "red", "insufficient_data", "ended")
BAND_WORDS: Final = {"insufficient_data": "unscored"}
_SHORT: Final = {
    "executive_relationships": "sponsors",
    "product_usage": "usage",
    "invoice_history": "invoices",
    "contract_growth": "contract",
    "csm_activity": "CSM contact",
    "marketing_engagement": "marketing",
    "self_sufficiency": "self-service",
}


def band(code: str) -> str:
    """A band as the demo calls it."""
    return BAND_WORDS.get(code, code)


def name(record: ScoreRecord) -> str:
    """The name of an account, else its id."""
    return printable(record.attributes.get("name") or record.account_id)


def dimension(code: str) -> str:
    """A dimension in a word or two."""
    return _SHORT.get(code, code.replace("_", " "))


def weakest(record: ScoreRecord, most: int = 2) -> str:
    """The dimensions that cost an account most points, with their sub-scores, and what caps its band."""
    lost = {name: d.weight * (100 - d.score) for name, d in record.dimensions.items()}
    worst = sorted(lost, key=lambda n: -lost[n])[:most]
    capped = [f"{fact} (ceiling)" for fact in record.ceilings[:1]]
    return ", ".join([*capped, *(f"{dimension(n)} {record.dimensions[n].score:.0f}" for n in worst)])


def at_risk(record: ScoreRecord) -> str:
    """What an account may cost a month, in its currency."""
    return "" if record.mrr_at_risk is None else f"{record.mrr_at_risk / 100:,.0f}"


def score(record: ScoreRecord) -> str:
    """The score, right-aligned, cut and not rounded."""
    return "   -" if record.score is None else f"{int(record.score * 10) / 10:4.1f}"


def spark(history: Sequence[int | None]) -> str:
    """The days of an account as bars, right-aligned in as many columns."""
    return sparkline(history).rjust(len(history))


def what(told: Notification) -> str:
    """Who and what happened, without the urgency in front and the score behind."""
    return printable(told.title.partition(": ")[2].partition(" (")[0])


def why(told: Notification) -> str:
    """The first reason."""
    return printable(told.evidence[0].text) if told.evidence else ""


def urgency(told: Notification) -> str:
    """`opportunity`, or how severe it is."""
    return "opportunity" if told.kind is Kind.OPPORTUNITY else str(told.severity)


URGENCIES: Final = (*reversed([str(s) for s in Severity]), "opportunity")
"""Most urgent first."""
