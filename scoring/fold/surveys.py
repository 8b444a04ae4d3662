"""Surveys: the newest answer of each respondent, summarised per kind as a mean and the time of the newest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.events import normalised_score
from scoring.fold.registers import keep_newest
from scoring.layout import SURVEY_KINDS
from scoring.state import Store
from scoring.tail import Answer
from scoring.times import UNSET, Int64

DETRACTOR: Final = 60_000
"""Largest normalised NPS answer of a detractor (6 of 10); Reichheld 2003."""
PROMOTER: Final = 90_000
"""Smallest one of a promoter (9 of 10)."""
TREND_ANSWERS: Final = 4
"""Answers from which on a trend is told."""
ANSWERS: Final = 32
"""Answers kept per kind, the newest of as many respondents."""
_Told = tuple[int, str, int]
"""Time, respondent and score of an answer."""


def fold_surveys(store: Store, rows: Int64, events: Sequence[Any], times: Int64) -> NDArray[np.bool_]:
    """Fold survey answers; returns which changed anything."""
    new = np.ones(len(events), np.bool_)
    changed: set[tuple[int, str]] = set()
    for i, (row, event, ts) in enumerate(zip(rows.tolist(), events, times.tolist(), strict=True)):
        tail = store.tail(row)
        answers = tail.surveys.get(event.kind)
        if answers is None:
            answers = tail.surveys[event.kind] = {}
        response = event.response_id or event.event_id
        respondent = event.respondent_id or response
        old = answers.get(respondent)
        if old is not None and (ts, response) <= (old.ts, old.id):
            new[i] = False
            continue
        answers[respondent] = Answer(ts, response, normalised_score(event) or 0)
        if len(answers) > ANSWERS:
            _, oldest, _ = _in_order(answers)[0]
            del answers[oldest]
            if oldest == respondent:
                new[i] = False
                continue
        keep_newest(tail.recent, (ts, event.event_id, f"{event.kind} answer {event.score:g}"))
        store.expect(row, ts)
        changed.add((row, event.kind))
    _derive(store, [(row, kind) for row, kind in changed if kind in SURVEY_KINDS])
    return new


def derive(store: Store, row: int) -> None:
    """The columns that summarise the answers of an account."""
    _derive(store, [(row, kind) for kind in SURVEY_KINDS])


def _derive(store: Store, which: Sequence[tuple[int, str]]) -> None:
    """The columns of these (row, kind): number, mean, newest time and trend of the answers kept."""
    if not which:
        return
    told, extremes = [], {}
    for row, kind in which:
        in_order = _in_order(store.tails[row].surveys.get(kind) or {})
        told.append(_summary(in_order))
        if kind == "nps":
            extremes[row] = _extremes(in_order)
    rows, slots = [row for row, _ in which], [SURVEY_KINDS.index(kind) for _, kind in which]
    for name, values in zip(
        ("survey_n", "survey_mean", "survey_ts", "survey_trend"), zip(*told, strict=True), strict=True
    ):
        store.hot[name][rows, slots] = values
    if extremes:
        rows = list(extremes)
        store.hot["detractor_ts"][rows], store.hot["promoter_ts"][rows] = zip(*extremes.values(), strict=True)


def _in_order(answers: dict[str, Answer]) -> list[_Told]:
    """The answers, the oldest first."""
    return sorted([(a.ts, who, a.score) for who, a in answers.items()])


def _summary(in_order: Sequence[_Told]) -> tuple[int, int, int, int]:
    """Number, mean, newest time, trend."""
    if not in_order:
        return 0, 0, UNSET, 0
    scores = [score for _, _, score in in_order]
    n = len(scores)
    return n, sum(scores) // n, in_order[-1][0], _trend(scores) if n >= TREND_ANSWERS else 0


def _trend(scores: Sequence[int]) -> int:
    """Mean of the newer half less that of the older half, oldest first."""
    half = len(scores) // 2
    return sum(scores[-half:]) // half - sum(scores[:half]) // half


def _extremes(in_order: Sequence[_Told]) -> tuple[int, int]:
    """When a detractor answered last, and a promoter; UNSET for never."""
    detractors = [ts for ts, _, score in in_order if score <= DETRACTOR]
    promoters = [ts for ts, _, score in in_order if score >= PROMOTER]
    return detractors[-1] if detractors else UNSET, promoters[-1] if promoters else UNSET
