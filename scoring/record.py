"""The score record: what `scores`, the view and `explain` show of one account."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from scoring.drivers import Driver
from scoring.layout import BANDS
from scoring.tail import Tail


class DimensionScore(Struct, frozen=True, gc=False):
    """One dimension: points, weight for the account's tier, points it adds to the score, and its signals."""

    score: float
    weight: int
    contribution: float
    signals: dict[str, float]


class OverrideRecord(Struct, frozen=True, gc=False):
    """A person's judgement beside the score, in points."""

    value: float
    reason: str
    author: str
    expires_at: str


class ScoreRecord(Struct, frozen=True, omit_defaults=True, gc=False):
    """Scores in points, times RFC 3339, amounts in minor units of `currency`."""

    account_id: str
    as_of: str
    score: float | None
    band: str
    model: str
    version: int
    coverage: float
    tier: str
    previous_band: str | None = None
    since: str | None = None
    ceilings: list[str] = []
    """Facts that cap the band, in words."""
    velocity_7d: float | None = None
    velocity_28d: float | None = None
    dimensions: dict[str, DimensionScore] = {}
    drivers: list[Driver] = []
    ended: bool = False
    mrr: int | None = None
    mrr_at_risk: int | None = None
    mrr_at_risk_basis: str | None = None
    deadline: str | None = None
    """Renewal less notice: until then the customer has to decide. Not told once the renewal is past."""
    urgency: float | None = None
    """1 up to half a year before the deadline, 2 from it to the renewal. Ranks accounts; no part of the score."""
    override: OverrideRecord | None = None
    attributes: dict[str, Any] = {}
    last_seen: dict[str, str] = {}


decode_score: Final = msgspec.json.Decoder(ScoreRecord).decode


def band_name(code: int, *, ended: bool = False) -> str:
    """A band as it is shown."""
    return "ended" if ended else BANDS[code]


def attributes(tail: Tail) -> dict[str, Any]:
    """Known attributes by name, newest values."""
    return {name: value for name, (_, value) in tail.attributes.items()}
