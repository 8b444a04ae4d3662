"""Score records as they are written to `scores`: of many accounts at once, column by column.

They are `ScoreRecord`s in which dimensions and times last seen are JSON already, which the encoder copies.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.bands import ceiling_facts, ceilings, velocity
from scoring.drivers import changes_of, drivers
from scoring.evaluate import Evaluation, Scorer
from scoring.facts import Facts
from scoring.json_forms import MOST, DimensionForms, last_seen
from scoring.layout import BANDS, ENDED, MISSING, SEEN, TIERS, take_rows
from scoring.record import OverrideRecord, ScoreRecord, attributes
from scoring.row import Pair
from scoring.state import Store
from scoring.tail import Tail
from scoring.times import DAY, UNSET, Int64, iso, iso_column

_FAR: Final = 180 * DAY
"""Further away than this a deadline presses nobody."""
_SHOWN: Final = (*BANDS, "ended")
_BASIS: Final = "uncalibrated: mrr * (1 - score / 100)"


_FIELDS: Final = ScoreRecord.__struct_fields__
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class _Those(NamedTuple):
    """The accounts that records are written of, in their order."""

    store: Store
    rows: list[int]
    hot: NDArray[Any]
    ended: NDArray[np.bool_]
    now: list[int]
    score: Int64
    """In thousandths; MISSING where there is none, or the account has ended."""


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
        ended = hot["flags"] & ENDED != 0
        score = np.where(ended, MISSING, e.score[at])
        these = _Those(store, rows[at].tolist(), hot, ended, f.at[at].tolist(), score)
        columns: dict[str, Iterable[Any]] = {
            "model": [self.scorer.hash] * len(at),
            "coverage": (e.coverage[at] / 1000).tolist(),
            "tier": [TIERS[t] for t in e.tier[at].tolist()],
            "ceilings": self._ceilings(these, f, at),
            "velocity_7d": _velocity(store, rows[at], f.today * DAY, e.score[at], 7),
            "velocity_28d": _velocity(store, rows[at], f.today * DAY, e.score[at], 28),
            "dimensions": [
                {} if over else told
                for told, over in zip(self._dimensions.of(e, at), ended.tolist(), strict=True)
            ],
        }
        columns |= _standing(these) | _at_risk(f.mrr[at], score) | _deadlines(these) | _told(these)
        values = map(_encode, map(ScoreRecord, *map(columns.__getitem__, _FIELDS)))
        return list(zip([store.keys[row] for row in these.rows], values, strict=True))

    def _ceilings(self, these: _Those, f: Facts, at: Int64) -> list[list[str]]:
        said: list[list[str]] = [[] for _ in these.rows]
        capped = (ceilings(f, self.scorer.model)[at] < len(BANDS)) & ~these.ended
        for j in np.flatnonzero(capped).tolist():
            said[j] = ceiling_facts(these.hot[j], these.now[j], self.scorer.model.ceilings)
        return said


def _standing(these: _Those) -> dict[str, Iterable[Any]]:
    """Who the account is, its score and its band."""
    hot = these.hot
    shown = np.where(these.ended, len(BANDS), hot["band"]).tolist()
    since = hot["band_since"].tolist()
    return {
        "account_id": list(map(these.store.name, these.rows)),
        "as_of": map(iso, these.now),
        "score": [None if s == MISSING else s / 1000 for s in these.score.tolist()],
        "band": [_SHOWN[band] for band in shown],
        "ended": these.ended.tolist(),
        "version": hot["version"].tolist(),
        "previous_band": [
            None if at == UNSET else BANDS[band]
            for at, band in zip(since, hot["previous_band"].tolist(), strict=True)
        ],
        "since": _times(hot["band_since"], hot["band_since"] != UNSET),
        "last_seen": last_seen(hot["last_seen"][:, : len(SEEN)]),
    }


def _told(these: _Those) -> dict[str, Iterable[Any]]:
    """What is in the tails: why the score moved, what a person judged, what is known of the account."""
    tails = list(map(these.store.tails.glance, these.rows))
    some = zip(these.rows, tails, changes_of(these.hot), these.ended.tolist(), strict=True)
    return {
        "drivers": [
            [] if over else drivers(these.store, row, tail, change) for row, tail, change, over in some
        ],
        "override": map(_override, tails, these.now),
        "attributes": map(attributes, tails),
    }


def _velocity(store: Store, rows: Int64, now: int, score: Int64, days: int) -> list[float | None]:
    return [None if v is None else v / 100 for v in velocity(store, rows, now, score, days)]


def _at_risk(mrr: Int64, score: Int64) -> dict[str, Iterable[Any]]:
    """MRR, the part of it at risk, and how that was reckoned; in plain numbers, which cannot overflow."""
    known = [None if m == MISSING else m for m in mrr.tolist()]
    at_risk = [
        None if m is None or s == MISSING else m * (MOST - s) // MOST
        for m, s in zip(known, score.tolist(), strict=True)
    ]
    basis = [None if m is None else _BASIS for m in at_risk]
    return {"mrr": known, "mrr_at_risk": at_risk, "mrr_at_risk_basis": basis}


def _deadlines(these: _Those) -> dict[str, Iterable[Any]]:
    """When to decide and how near that is; nothing without a renewal ahead: of the next one nobody has told yet."""
    deadline, left = these.hot["deadline"], these.hot["deadline"] - these.now
    ahead = ~these.ended & (these.now < these.hot["renewal"])  # UNSET is never ahead
    return {
        "deadline": _times(deadline, ahead),
        "urgency": [
            _urgency(ms) if is_ahead else None
            for ms, is_ahead in zip(left.tolist(), ahead.tolist(), strict=True)
        ],
    }


def _times(times: Int64, told: NDArray[np.bool_]) -> list[str | None]:
    return [text if is_told else None for text, is_told in zip(iso_column(times), told.tolist(), strict=True)]


def _urgency(left: int) -> float:
    near = max(_FAR - max(left, 0), 0)
    return (1000 + 1000 * near // _FAR) / 1000


def _override(tail: Tail, now: int) -> OverrideRecord | None:
    told = tail.override if tail.holds("override") else None
    if told is None or told.value is None or told.expires <= now:
        return None
    return OverrideRecord(told.value / 1000, told.reason, told.author, iso(told.expires))
