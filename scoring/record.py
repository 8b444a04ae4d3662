"""The score record: what `scores`, the view and `explain` show of one account."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct

from scoring.bands import ceiling_facts, velocity
from scoring.drivers import Driver, drivers
from scoring.evaluate import Evaluation, Scorer
from scoring.facts import Facts
from scoring.layout import BANDS, DIMENSIONS, ENDED, MISSING, SEEN, TIERS
from scoring.model import Model
from scoring.state import Store
from scoring.tail import Tail
from scoring.times import DAY, UNSET, Int64, iso

_EMPTY = Tail()
_FAR: Final = 180 * DAY
"""Further away than this a deadline presses nobody."""


class DimensionScore(Struct, frozen=True):
    """One dimension: points, weight for the account's tier, points it adds to the score, and its signals."""

    score: float
    weight: int
    contribution: float
    signals: dict[str, float]


class OverrideRecord(Struct, frozen=True):
    """A person's judgement beside the score, in points."""

    value: float
    reason: str
    author: str
    expires_at: str


class ScoreRecord(Struct, frozen=True, omit_defaults=True):
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


encode_score: Final = msgspec.json.Encoder(order="deterministic").encode


def band_name(code: int, *, ended: bool = False) -> str:
    """A band as it is shown."""
    return "ended" if ended else BANDS[code]


def attributes(tail: Tail) -> dict[str, Any]:
    """Known attributes by name, newest values."""
    return {name: value for name, (_, value) in sorted(tail.attributes.items())}


def score_records(
    store: Store, rows: Int64, at: Int64, f: Facts, e: Evaluation, scorer: Scorer
) -> list[ScoreRecord]:
    """Records of the accounts `rows[at]`, where facts and evaluation are of `rows`.

    Nothing is written to the columns.
    """
    week, month = (velocity(store, rows, f.today * DAY, e.score, days) for days in (7, 28))
    signals = {name: values.tolist() for name, values in e.signals.items()}
    mrr = f.mrr.tolist()
    return [
        _record(store, int(rows[i]), i, int(f.at[i]), scorer, e, signals, mrr[i], (week[i], month[i]))
        for i in at.tolist()
    ]


def _record(
    store: Store, row: int, i: int, now: int, scorer: Scorer, e: Evaluation, signals: dict[str, list[int]], mrr: int,
    velocities: tuple[int | None, int | None],
) -> ScoreRecord:  # fmt: skip
    hot = store.hot[row]
    ended = bool(hot["flags"] & ENDED)
    score = MISSING if ended else int(e.score[i])
    known_mrr = None if mrr == MISSING else mrr
    at_risk = None if known_mrr is None or score == MISSING else known_mrr * (100_000 - score) // 100_000
    return ScoreRecord(
        account_id=store.names[row],
        as_of=iso(now),
        score=None if score == MISSING else score / 1000,
        band=band_name(int(hot["band"]), ended=ended),
        model=scorer.hash,
        version=int(hot["version"]),
        coverage=int(e.coverage[i]) / 1000,
        tier=TIERS[int(e.tier[i])],
        previous_band=None if hot["band_since"] == UNSET else BANDS[int(hot["previous_band"])],
        since=None if hot["band_since"] == UNSET else iso(int(hot["band_since"])),
        ceilings=[] if ended else ceiling_facts(hot, now, scorer.model.ceilings),
        velocity_7d=None if velocities[0] is None else velocities[0] / 100,
        velocity_28d=None if velocities[1] is None else velocities[1] / 100,
        dimensions={} if ended else _dimensions(e, i, signals, scorer.model),
        drivers=[] if ended else drivers(store, row),
        ended=ended,
        mrr=known_mrr,
        mrr_at_risk=at_risk,
        mrr_at_risk_basis=None if at_risk is None else "uncalibrated: mrr * (1 - score / 100)",
        **({} if ended else _deadline(int(hot["renewal"]), int(hot["deadline"]), now)),
        override=_override(store.tails.get(row, _EMPTY), now),
        attributes=attributes(store.tails.get(row, _EMPTY)),
        last_seen={
            n: iso(int(ts)) for n, ts in zip(SEEN, hot["last_seen"].tolist(), strict=False) if ts != UNSET
        },
    )


def _deadline(renewal: int, deadline: int, now: int) -> dict[str, Any]:
    """When to decide and how near that is; nothing without a renewal ahead: of the next one nobody has told yet."""
    if renewal == UNSET or now >= renewal:
        return {}
    near = max(_FAR - max(deadline - now, 0), 0)
    return {"deadline": iso(deadline), "urgency": (1000 + 1000 * near // _FAR) / 1000}


def _override(tail: Tail, now: int) -> OverrideRecord | None:
    told = tail.override
    if told is None or told.value is None or told.expires <= now:
        return None
    return OverrideRecord(told.value / 1000, told.reason, told.author, iso(told.expires))


def _dimensions(
    e: Evaluation, i: int, signals: dict[str, list[int]], model: Model
) -> dict[str, DimensionScore]:
    out = {}
    for slot in np.flatnonzero(e.sub[:, i] != MISSING).tolist():
        name = DIMENSIONS[slot]
        members = {
            s: signals[s][i] / 1000 for s in model.dimensions[name].signals if signals[s][i] != MISSING
        }
        out[name] = DimensionScore(
            int(e.sub[slot, i]) / 1000, int(e.weight[slot, i]), int(e.contribution[slot, i]) / 1000, members
        )
    return out
