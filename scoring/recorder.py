"""Score records as they are written to `scores`: of many accounts at once, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Raw, Struct
from numpy.typing import NDArray

from scoring.bands import ceiling_facts, ceilings, velocity
from scoring.drivers import Driver, changes_of, drivers
from scoring.evaluate import Evaluation, Scorer
from scoring.facts import Facts
from scoring.json_forms import MOST, NOTHING, DimensionForms, last_seen
from scoring.layout import BANDS, ENDED, MISSING, SEEN, TIERS, take_rows
from scoring.record import OverrideRecord, attributes
from scoring.row import Pair
from scoring.state import Store
from scoring.tail import Tail
from scoring.times import DAY, UNSET, Int64, iso

_FAR: Final = 180 * DAY
"""Further away than this a deadline presses nobody."""
_BASIS: Final = "uncalibrated: mrr * (1 - score / 100)"


class _Written(Struct, frozen=True, omit_defaults=True, gc=False):
    """The fields of a ScoreRecord, in its order; what is `Raw` is JSON already."""

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
    velocity_7d: float | None = None
    velocity_28d: float | None = None
    dimensions: Raw = NOTHING
    drivers: list[Driver] = []
    ended: bool = False
    mrr: int | None = None
    mrr_at_risk: int | None = None
    mrr_at_risk_basis: str | None = None
    deadline: str | None = None
    urgency: float | None = None
    override: OverrideRecord | None = None
    attributes: dict[str, Any] = {}
    last_seen: Raw = NOTHING


_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class Recorder:
    """Writes the score records of accounts scored by one model."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self._dimensions = DimensionForms(scorer.model)

    def records(self, store: Store, rows: Int64, at: Int64, f: Facts, e: Evaluation) -> list[Pair]:
        """Key and encoded `ScoreRecord` of each of the accounts `rows[at]`, where facts and evaluation are of `rows`.

        Nothing is written to the columns.
        """
        hot = take_rows(store.hot, rows[at])
        places, now = rows[at].tolist(), f.at[at].tolist()
        ended = (hot["flags"] & ENDED != 0).tolist()
        score = np.where(hot["flags"] & ENDED != 0, MISSING, e.score[at])
        told = hot["band_since"] != UNSET
        tails = list(map(store.tails.glance, places))
        fields = (
            [store.names[row] for row in places],
            map(iso, now),
            _points(score),
            ["ended" if over else BANDS[b] for b, over in zip(hot["band"].tolist(), ended, strict=True)],
            [self.scorer.hash] * len(at),
            hot["version"].tolist(),
            (e.coverage[at] / 1000).tolist(),
            [TIERS[t] for t in e.tier[at].tolist()],
            [
                BANDS[b] if t else None
                for b, t in zip(hot["previous_band"].tolist(), told.tolist(), strict=True)
            ],
            [None if since == UNSET else iso(since) for since in hot["band_since"].tolist()],
            self._ceilings(hot, now, f, at),
            *(_velocity(store, rows[at], f.today * DAY, e.score[at], days) for days in (7, 28)),
            [NOTHING if over else d for d, over in zip(self._dimensions.of(e, at), ended, strict=True)],
            [
                [] if over else drivers(store, row, tail, change)
                for row, tail, change, over in zip(places, tails, changes_of(hot), ended, strict=True)
            ],
            ended,
            *_at_risk(f.mrr[at], score),
            *_deadlines(hot, now),
            map(_override, tails, now),
            map(attributes, tails),
            last_seen(hot["last_seen"][:, : len(SEEN)]),
        )
        values = map(_encode, map(_Written, *fields))
        return list(zip([store.keys[row] for row in places], values, strict=True))

    def _ceilings(self, hot: NDArray[Any], now: Sequence[int], f: Facts, at: Int64) -> list[list[str]]:
        said: list[list[str]] = [[] for _ in now]
        capped = (ceilings(f, self.scorer.model)[at] < len(BANDS)) & (hot["flags"] & ENDED == 0)
        for j in np.flatnonzero(capped).tolist():
            said[j] = ceiling_facts(hot[j], now[j], self.scorer.model.ceilings)
        return said


def _points(score: Int64) -> list[float | None]:
    return [None if s == MISSING else s / 1000 for s in score.tolist()]


def _velocity(store: Store, rows: Int64, now: int, score: Int64, days: int) -> list[float | None]:
    return [None if v is None else v / 100 for v in velocity(store, rows, now, score, days)]


def _at_risk(mrr: Int64, score: Int64) -> tuple[list[int | None], list[int | None], list[str | None]]:
    """MRR, the part of it at risk, and how that was reckoned; in plain numbers, which cannot overflow."""
    known = [None if m == MISSING else m for m in mrr.tolist()]
    at_risk = [
        None if m is None or s == MISSING else m * (MOST - s) // MOST
        for m, s in zip(known, score.tolist(), strict=True)
    ]
    return known, at_risk, [None if m is None else _BASIS for m in at_risk]


def _deadlines(hot: NDArray[Any], now: Sequence[int]) -> tuple[list[str | None], list[float | None]]:
    """When to decide and how near that is; nothing without a renewal ahead: of the next one nobody has told yet."""
    renewal = np.where(hot["flags"] & ENDED != 0, UNSET, hot["renewal"]).tolist()  # UNSET is never ahead
    deadline = hot["deadline"].tolist()
    ahead = [at < end for at, end in zip(now, renewal, strict=True)]
    return (
        [iso(by) if yes else None for by, yes in zip(deadline, ahead, strict=True)],
        [_urgency(by - at) if yes else None for by, at, yes in zip(deadline, now, ahead, strict=True)],
    )


def _urgency(left: int) -> float:
    near = max(_FAR - max(left, 0), 0)
    return (1000 + 1000 * near // _FAR) / 1000


def _override(tail: Tail, now: int) -> OverrideRecord | None:
    told = tail.override if tail.holds("override") else None
    if told is None or told.value is None or told.expires <= now:
        return None
    return OverrideRecord(told.value / 1000, told.reason, told.author, iso(told.expires))
