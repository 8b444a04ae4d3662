"""The score record: what `scores`, the view and `explain` show of one account."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct
from numpy.typing import NDArray

from scoring.bands import ceiling_facts, ceilings, velocity
from scoring.drivers import Driver, changes_of, drivers
from scoring.evaluate import Evaluation, Scorer
from scoring.facts import Facts
from scoring.layout import BANDS, DIMENSIONS, ENDED, MISSING, SEEN, TIERS, take_rows
from scoring.model import Model
from scoring.state import Store
from scoring.tail import Tail
from scoring.times import DAY, UNSET, Int64, iso, iso_column

_FAR: Final = 180 * DAY
"""Further away than this a deadline presses nobody."""


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
    dimensions, mrr, now = _Dimensions(e, at, scorer.model), f.mrr.tolist(), f.at.tolist()
    capped = ceilings(f, scorer.model)[at] < len(BANDS)
    of = _Batch(store, take_rows(store.hot, rows[at]), scorer, capped.tolist())
    score, coverage, tier = e.score.tolist(), e.coverage.tolist(), e.tier.tolist()
    return [
        of.record(
            int(rows[i]), j, now[i], score[i], coverage[i] / 1000, TIERS[tier[i]], mrr[i],
            (week[i], month[i]), dimensions,
        )
        for j, i in enumerate(at.tolist())
    ]  # fmt: skip


class _Batch:
    """The columns of the accounts of some records as plain lists: a field of one row costs as much as of a hundred."""

    def __init__(self, store: Store, hot: NDArray[Any], scorer: Scorer, capped: list[bool]) -> None:
        """`capped`: whether some fact caps the band."""
        self._store, self._hot, self._scorer, self._capped = store, hot, scorer, capped
        self._ended = (hot["flags"] & ENDED != 0).tolist()
        names = ("band", "version", "previous_band", "band_since", "renewal", "deadline", "last_seen")
        self._columns = {name: hot[name].tolist() for name in names}
        self._seen = iso_column(hot["last_seen"][:, : len(SEEN)])
        self._changes = changes_of(hot)

    def record(
        self, row: int, j: int, now: int, score: int, coverage: float, tier: str, mrr: int,
        velocities: tuple[int | None, int | None], dimensions: _Dimensions,
    ) -> ScoreRecord:  # fmt: skip
        """The record of the account that is number `j` of these."""
        store, model = self._store, self._scorer.model
        band, version, previous, since, renewal, deadline, seen = (c[j] for c in self._columns.values())
        ended, tail = self._ended[j], store.tails.glance(row)
        score = MISSING if ended else score
        known_mrr = None if mrr == MISSING else mrr
        at_risk = None if known_mrr is None or score == MISSING else known_mrr * (100_000 - score) // 100_000
        return ScoreRecord(
            account_id=store.names[row],
            as_of=iso(now),
            score=None if score == MISSING else score / 1000,
            band=band_name(band, ended=ended),
            model=self._scorer.hash,
            version=version,
            coverage=coverage,
            tier=tier,
            previous_band=None if since == UNSET else BANDS[previous],
            since=None if since == UNSET else iso(since),
            ceilings=[] if ended or not self._capped[j] else ceiling_facts(self._hot[j], now, model.ceilings),
            velocity_7d=None if velocities[0] is None else velocities[0] / 100,
            velocity_28d=None if velocities[1] is None else velocities[1] / 100,
            dimensions={} if ended else dimensions.of(j),
            drivers=[] if ended else drivers(store, row, tail, self._changes[j]),
            ended=ended,
            mrr=known_mrr,
            mrr_at_risk=at_risk,
            mrr_at_risk_basis=None if at_risk is None else "uncalibrated: mrr * (1 - score / 100)",
            **({} if ended else _deadline(renewal, deadline, now)),
            override=_override(tail, now),
            attributes=attributes(tail),
            last_seen={
                name: text for name, ts, text in zip(SEEN, seen, self._seen[j], strict=False) if ts != UNSET
            },
        )


class _Dimensions:
    """What the records say of the dimensions of the accounts `at` of an evaluation."""

    def __init__(self, e: Evaluation, at: Int64, model: Model) -> None:
        self._sub, self._weight = (e.sub[:, at] / 1000).T.tolist(), e.weight[:, at].T.tolist()
        self._contribution = (e.contribution[:, at] / 1000).T.tolist()
        self._signals = [
            [(s, (e.signals[s][at] / 1000).tolist()) for s in told.signals] if told else []
            for told in map(model.dimensions.get, DIMENSIONS)
        ]

    def of(self, j: int) -> dict[str, DimensionScore]:
        """Those with a score, by name."""
        parts = zip(
            DIMENSIONS, self._sub[j], self._weight[j], self._contribution[j], self._signals, strict=True
        )
        return {
            name: DimensionScore(sub, weight, points, {s: v for s, values in signals if (v := values[j]) >= 0})
            for name, sub, weight, points, signals in parts
            if sub >= 0
        }  # fmt: skip


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
