"""What the view keeps of one score record: the record itself, a few plain fields, and its places in the indexes."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from scoring.times import parse

LAYOUT: Final = 1
"""Raise it with every change of keys, fields or indexes: a view of another layout is built anew."""

BY_SCORE: Final = "by:score"
BY_CHANGED: Final = "by:changed"
BY_MRR_AT_RISK: Final = "by:mrr_at_risk:"
"""Followed by a currency: amounts of different currencies are not comparable."""
BY_URGENCY: Final = "by:urgency:"
"""Followed by a currency; MRR at risk times urgency."""
ENDED: Final = "by:ended"
IN_BAND: Final = "in:band:"
NO_CURRENCY: Final = "-"
_UNSCORED: Final = float("inf")


class _Attributes(Struct, frozen=True):
    owner: str | None = None
    segment: str | None = None
    currency: str | None = None


class _Record(Struct, frozen=True):
    account_id: str
    as_of: str
    version: int
    band: str
    tier: str
    score: float | None = None
    mrr: int | None = None
    mrr_at_risk: int | None = None
    urgency: float = 1.0
    ended: bool = False
    attributes: _Attributes = _Attributes()


class Row(NamedTuple):
    """One account as it is stored."""

    record: bytes
    """The record as it came, so that fields unknown here pass through."""
    fields: dict[str, str | int | float]
    indexes: dict[str, float]
    """Index to rank in it: `by:...` are sorted sets, `in:...` are sets (rank 0)."""
    as_of: int
    """Milliseconds UTC."""


_decode: Final = msgspec.json.Decoder(_Record).decode


def row_of(record: bytes) -> Row:
    """The row of an encoded score record. Raises msgspec.DecodeError if it is none."""
    r = _decode(record)
    as_of, currency = parse(r.as_of), (r.attributes.currency or NO_CURRENCY).upper()
    told: dict[str, str | int | float | None] = {
        "version": r.version,
        "as_of": r.as_of,
        "band": r.band,
        "tier": r.tier,
        "owner": r.attributes.owner,
        "segment": r.attributes.segment,
        "score": r.score,
        "mrr": r.mrr,
        "mrr_at_risk": r.mrr_at_risk,
        "currency": r.attributes.currency,
    }
    fields = {name: value for name, value in told.items() if value is not None}
    indexes = {ENDED: float(as_of)} if r.ended else _ranks(r, as_of, currency) | _facets(r)
    return Row(record, fields, indexes, as_of)


def _ranks(r: _Record, as_of: int, currency: str) -> dict[str, float]:
    ranks = {BY_SCORE: _UNSCORED if r.score is None else r.score, BY_CHANGED: float(as_of)}
    if r.mrr_at_risk is not None:
        ranks[BY_MRR_AT_RISK + currency] = float(r.mrr_at_risk)
        ranks[BY_URGENCY + currency] = r.mrr_at_risk * r.urgency
    return ranks


def _facets(r: _Record) -> dict[str, float]:
    facets = {"band": r.band, "tier": r.tier, "owner": r.attributes.owner, "segment": r.attributes.segment}
    return {facet(name, value): 0.0 for name, value in facets.items() if value is not None}


def facet(name: str, value: str) -> str:
    """The index of the accounts with this band, tier, owner or segment."""
    return f"in:{name}:{value}"


def is_set(index: str) -> bool:
    """Whether an index is a set; else it is a sorted set."""
    return index.startswith("in:")
