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
            oldest = min(answers, key=lambda who: (answers[who].ts, who))
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
    told = [_summary(store.tails[row].surveys.get(kind)) for row, kind in which]
    rows, slots = [row for row, _ in which], [SURVEY_KINDS.index(kind) for _, kind in which]
    for name, values in zip(
        ("survey_n", "survey_mean", "survey_ts", "survey_trend"), zip(*told, strict=True), strict=True
    ):
        store.hot[name][rows, slots] = values
    for row in [row for row, kind in which if kind == "nps"]:
        detractor = promoter = UNSET
        for answer in store.tails[row].surveys.get("nps", {}).values():
            if answer.score <= DETRACTOR:
                detractor = max(detractor, answer.ts)
            elif answer.score >= PROMOTER:
                promoter = max(promoter, answer.ts)
        store.hot["detractor_ts"][row], store.hot["promoter_ts"][row] = detractor, promoter


def _summary(answers: dict[str, Answer] | None) -> tuple[int, int, int, int]:
    """Number, mean, newest time, trend."""
    if not answers:
        return 0, 0, UNSET, 0
    times, scores = [a.ts for a in answers.values()], [a.score for a in answers.values()]
    n, trend = len(scores), 0
    if n >= TREND_ANSWERS:
        trend = _trend([score for _, _, score in sorted(zip(times, answers, scores, strict=True))])
    return n, sum(scores) // n, max(times), trend


def _trend(scores: Sequence[int]) -> int:
    """Mean of the newer half less that of the older half, oldest first."""
    half = len(scores) // 2
    return sum(scores[-half:]) // half - sum(scores[:half]) // half
