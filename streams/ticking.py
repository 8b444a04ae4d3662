"""What a tick does to the accounts it evaluates, and how terms turn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
from msgspec import Struct

from alerts.engine import AlertEngine
from alerts.model import Alert
from alerts.rules.base import Tick
from scoring.bands import advance_bands, keep_history, reset_bands
from scoring.cadence import learn_cadence
from scoring.evaluate import Evaluation, Scorer, named
from scoring.facts import Facts
from scoring.fold.accounts import fill_mrr
from scoring.layout import BANDS, ENDED, MISSING
from scoring.rescore import Cause, rescore
from scoring.state import LOOK, ROW, SCORE, TOUCHED, Store
from scoring.times import DAY, HOUR, UNSET, Int64, iso
from streams.publication import worth_telling

_SLICE: Final = 1536
"""Accounts of a tick that are evaluated in one turn of the event loop, at most: some 7 ms."""


class TickLine(Struct, frozen=True):
    """What a tick decided about one account: points, as in `replay --scores`."""

    account_id: str
    as_of: str
    score: float | None
    band: str
    coverage: float
    dimensions: dict[str, float]
    model: str


def slices(rows: Int64) -> Iterator[Int64]:
    """Rows in pieces that do not hold the event loop for long."""
    if len(rows):
        yield from np.array_split(rows, -(-len(rows) // _SLICE))


def score_events(store: Store, rows: Int64, scorer: Scorer) -> None:
    """Score what events moved, each account as of its own last tick: before the clock moves it, too."""
    last = store.hot["tick"][rows]
    for day in np.unique(last // DAY).tolist():
        of_day = last // DAY == day
        rescore(store, rows[of_day], scorer, last[of_day], Cause.EVENTS)


def unscored(store: Store, rows: Int64) -> Int64:
    """Those of the accounts that were scored before, and had events since."""
    moved: Int64 = rows[(store.mark[rows] & SCORE != 0) & (store.hot["tick"][rows] != UNSET)]
    return moved


def run_tick(
    store: Store, rows: Int64, scorer: Scorer, engine: AlertEngine, tick: int, live: Mapping[str, bool]
) -> tuple[list[Alert], Facts, Evaluation]:
    """Evaluate these accounts at a tick: score, history, band, alerts. `live` tells which feeds speak.

    What events moved must have been scored before, by `score_events`.
    """
    hot = store.hot
    f, e = rescore(store, rows, scorer, tick, Cause.CLOCK)
    new_day = rows[(hot["tick"][rows] == UNSET) | (hot["tick"][rows] // DAY < tick // DAY)]
    keep_history(store, rows, f, e.score)
    if scorer.model.rules.silence is not None and len(new_day):
        learn_cadence(store, new_day, tick // DAY, scorer.model.rules.silence)
    changed = advance_bands(store, rows, f, e, scorer.model)
    hot["tick"][rows] = hot["passed"][rows] = tick  # alerts show the account as of this tick
    alerts = engine.at_tick(Tick(store, rows, f, e, live))
    before = f.hot
    changed |= (hot["pending_band"][rows] != before["pending_band"]) | (hot["due"][rows] != before["due"])
    changed |= ((e.sub == MISSING) & (before["contribution"].T != MISSING)).any(axis=0)
    changed |= (before["tick"] == UNSET) | (before["tick"] // DAY < tick // DAY)
    changed |= store.mark[rows] & TOUCHED != 0
    store.mark[rows] &= ~np.uint8(TOUCHED)
    store.mark[rows[changed]] |= ROW
    store.mark[rows[worth_telling(f, e, hot["band"][rows])]] |= LOOK
    return alerts, f, e


def last_full_hour(tick: int, every: int) -> int:
    """The newest tick up to this one at which everybody is evaluated, if ticks come every `every` ms; or UNSET."""
    if tick == UNSET:
        return UNSET
    grid = math.lcm(every, HOUR)
    return tick // grid * grid


def tick_lines(store: Store, rows: Int64, f: Facts, e: Evaluation, model_hash: str) -> list[TickLine]:
    """The accounts of a tick as lines of the tick log."""
    as_of = iso(f.now)
    return [
        TickLine(
            store.name(row),
            as_of,
            None if score == MISSING else score / 1000,
            BANDS[band],
            coverage / 1000,
            {name: value / 1000 for name, value in named(e.sub[:, i]).items()},
            model_hash,
        )
        for i, (row, score, coverage, band) in enumerate(
            zip(
                rows.tolist(),
                e.score.tolist(),
                e.coverage.tolist(),
                store.hot["band"][rows].tolist(),
                strict=True,
            )
        )
    ]


def turned_terms(store: Store, rows: Int64) -> list[tuple[int, bool]]:
    """Rows that ended or came back since their last tick: (row, whether it is ended by its registers)."""
    ended = store.hot["ended_ts"][rows]
    is_ended = (ended != UNSET) & (ended >= store.hot["started_ts"][rows])
    turned = is_ended != (store.hot["flags"][rows] & ENDED != 0)
    return list(zip(rows[turned].tolist(), is_ended[turned].tolist(), strict=True))


def end_account(store: Store, row: int, tick: int, engine: AlertEngine) -> list[Alert]:
    """The account ended: its alerts resolve, it has no band and is not scored."""
    store.hot["flags"][row] |= ENDED
    alerts = engine.ended(store, row, tick)
    reset_bands(store, row, tick)
    store.mark[row] |= ROW | LOOK
    return alerts


def start_term(store: Store, row: int) -> None:
    """The account came back: a fresh state, dated from its new start."""
    store.reset(row)
    fill_mrr(store, row)
    store.touch(row)
