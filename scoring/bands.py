"""Bands, history and velocity: what a tick decides from a score. Integers throughout (docs/semantics.md, 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.evaluate import Evaluation, combine
from scoring.facts import Facts
from scoring.layout import BANDS, HISTORY_DAYS, MISSING
from scoring.model import Ceilings, Model
from scoring.model_parts import BandName
from scoring.state import Store
from scoring.times import DAY, HOUR, UNSET, Int64, iso

INSUFFICIENT, RED, AMBER, GREEN = range(4)
_CODE: Final = {name: code for code, name in enumerate(BANDS)}
_NO_CEILING: Final = len(BANDS)


def advance_bands(store: Store, rows: Int64, f: Facts, e: Evaluation, model: Model) -> NDArray[np.bool_]:
    """Decide the bands of these accounts at tick `f.now`, write the band columns; returns which bands changed."""
    hot, now = store.hot, f.now
    band = hot["band"][rows].astype(np.int64)
    last = remember(store, rows, f, e)
    up = np.minimum(e.score, combine(last, e.weight)[0])  # if what lost its evidence still stood where it was
    candidate = _candidate(band, e, up, model)
    ceiling = ceilings(f, model)
    capped = (candidate == INSUFFICIENT) | (candidate > ceiling)
    candidate = np.where((ceiling < _NO_CEILING) & capped, ceiling, candidate)
    above = (band > ceiling) & (ceiling < _NO_CEILING)
    hold = HOUR * np.array([model.bands.hold_hours.get(name, 0) for name in BANDS])[candidate]
    pending = hot["pending_band"][rows].astype(np.int64)
    since = np.where(pending == candidate, hot["pending_since"][rows], now)
    moves = candidate != band
    now_due = moves & ((band == INSUFFICIENT) | (above & (candidate == ceiling)) | (now - since >= hold))
    waits = moves & ~now_due
    target = np.where(now_due, candidate, np.where(above, ceiling, band))
    hot["pending_band"][rows] = np.where(waits, candidate, MISSING)
    hot["pending_since"][rows] = np.where(waits, since, UNSET)
    hot["due"][rows] = np.where(waits, since + hold, UNSET)
    changes = np.asarray(target != band)
    changed = rows[changes]
    hot["previous_band"][changed] = band[changes]
    hot["band"][changed] = target[changes]
    hot["band_since"][changed] = now
    return changes


def _candidate(band: Int64, e: Evaluation, up: Int64, model: Model) -> Int64:
    b = model.bands
    by_up = np.where(up < b.red, RED, np.where(up >= b.green, GREEN, AMBER))
    from_red = np.where(up < b.red_exit, RED, np.where(up >= b.green, GREEN, AMBER))
    from_amber = np.where(e.score < b.red, RED, np.where(up >= b.green, GREEN, AMBER))
    from_green = np.where(e.score < b.red, RED, np.where(e.score < b.green_exit, AMBER, GREEN))
    chosen = np.choose(band, [by_up, from_red, from_amber, from_green])
    return np.where((e.coverage < model.minimum_coverage) | (e.score == MISSING), INSUFFICIENT, chosen)


def remember(store: Store, rows: Int64, f: Facts, e: Evaluation) -> Int64:
    """Keep the sub-scores of a tick, (D, n): those of dimensions without evidence stay as they were last seen."""
    kept = np.where(e.sub == MISSING, f.hot["last_sub"].T, e.sub)
    last = np.where(e.weight > 0, kept, MISSING)
    store.hot["last_sub"][rows] = last.T
    return last


def ceilings(f: Facts, model: Model) -> Int64:
    """The lowest band that facts allow, len(BANDS) where none speaks."""
    lowest = np.full(len(f), _NO_CEILING, np.int64)
    notice = f.column("churn_notice_ts")
    revoked = np.maximum(f.column("started_ts"), f.column("auto_renew_on_ts"))
    due = f.column("oldest_due")
    c = model.ceilings
    told: list[tuple[BandName | None, NDArray[np.bool_]]] = [
        (c.churn_notice, notice > revoked),
        (c.auto_renew_off, f.column("auto_renew") == 0),
    ]
    if c.invoice_overdue is not None:
        told.append((c.invoice_overdue.band, _overdue(f, due, c.invoice_overdue.days)))
    for name, holds in told:
        if name is not None:
            lowest = np.where(holds, np.minimum(lowest, _CODE[name]), lowest)
    return lowest


def ceiling_facts(row: Any, now: int, c: Ceilings) -> list[str]:  # noqa: ANN401 - a row of HOT
    """The facts that cap the band of one account, in words; `row` is its hot row."""
    said = []
    if c.churn_notice and row["churn_notice_ts"] > max(row["started_ts"], row["auto_renew_on_ts"]):
        said.append(f"gave notice on {iso(int(row['churn_notice_ts']))[:10]}: at most {c.churn_notice}")
    if c.auto_renew_off and row["auto_renew"] == 0:
        said.append(f"automatic renewal is off: at most {c.auto_renew_off}")
    late = c.invoice_overdue
    if late and row["oldest_due"] != UNSET and now - row["oldest_due"] >= late.days * DAY:
        said.append(
            f"an invoice is {(now - int(row['oldest_due'])) // DAY} days overdue: at most {late.band}"
        )
    return said


def _overdue(f: Facts, due: Int64, days: int) -> NDArray[np.bool_]:
    return np.asarray((due != UNSET) & (f.now - due >= days * DAY))


def keep_history(store: Store, rows: Int64, f: Facts, score: Int64) -> None:
    """At the first tick of a UTC day an account is evaluated at.

    Its score into the daily history, days skipped as missing.
    """
    last_tick = store.hot["tick"][rows]
    last_day = np.where(last_tick == UNSET, f.today - HISTORY_DAYS, last_tick // DAY)
    first = last_day < f.today
    if not first.any():
        return
    at, behind = rows[first], last_day[first]
    for back in range(1, min(int(f.today - behind.min()), HISTORY_DAYS)):
        skipped = at[f.today - back > behind]
        store.hot["history"][skipped, (f.today - back) % HISTORY_DAYS] = MISSING
    store.hot["history"][at, f.today % HISTORY_DAYS] = np.where(
        score[first] == MISSING, MISSING, score[first] // 10
    )


def velocities(
    store: Store, rows: Int64, now: int, score: Int64, days: int
) -> tuple[Int64, NDArray[np.bool_]]:
    """Change over that many days in hundredths of a point, and whether both ends are known."""
    then = store.hot["history"][rows, (now // DAY - days) % HISTORY_DAYS].astype(np.int64)
    known = np.asarray((then != MISSING) & (score != MISSING))
    return np.where(known, score // 10 - then, 0), known


def velocity(store: Store, rows: Int64, now: int, score: Int64, days: int) -> list[int | None]:
    """The same as plain values, None if either end is missing."""
    change, known = velocities(store, rows, now, score, days)
    return [c if k else None for c, k in zip(change.tolist(), known.tolist(), strict=True)]


def velocity_of(score: int, history: Sequence[int], now: int, days: int) -> int | None:
    """The same of one account, by its score and its column of daily scores."""
    then = history[(now // DAY - days) % HISTORY_DAYS]
    return None if MISSING in (score, then) else score // 10 - then


def reset_bands(store: Store, row: int, now: int) -> None:
    """An account that ended has no band."""
    hot = store.hot
    if hot["band"][row] != INSUFFICIENT:
        hot["previous_band"][row] = hot["band"][row]
        hot["band"][row], hot["band_since"][row] = INSUFFICIENT, now
    hot["pending_band"][row] = hot["score"][row] = MISSING
    hot["pending_since"][row] = hot["due"][row] = UNSET
    hot["coverage"][row] = 0
