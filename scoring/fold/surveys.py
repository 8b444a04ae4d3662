"""Surveys: the newest answer of each respondent, summarised per kind as a mean and the time of the newest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.events import normalised_score
from scoring.fold.registers import keep_newest
from scoring.layout import DAYS, SURVEY_KINDS
from scoring.state import Store
from scoring.tail import Answer
from scoring.times import DAY, UNSET, Int64

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
    changed: set[int] = set()
    for i, (row, event, ts) in enumerate(zip(rows.tolist(), events, times.tolist(), strict=True)):
        tail = store.tail(row)
        answers = tail.surveys.setdefault(event.kind, {})
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
        changed.add(row)
    for row in changed:
        derive(store, row)
    return new


def derive(store: Store, row: int) -> None:
    """The columns that summarise the answers of an account, and the day the next one is forgotten."""
    surveys = store.tails[row].surveys
    hot = store.hot[row]
    for slot, kind in enumerate(SURVEY_KINDS):
        answers = surveys.get(kind)
        if not answers:
            hot["survey_n"][slot], hot["survey_mean"][slot], hot["survey_ts"][slot] = 0, 0, UNSET
            hot["survey_trend"][slot] = 0
            continue
        in_order = sorted(answers.items(), key=lambda item: (item[1].ts, item[0]))
        times, _, scores = zip(*(answer for _, answer in in_order), strict=True)
        hot["survey_n"][slot], hot["survey_ts"][slot] = len(answers), max(times)
        hot["survey_mean"][slot] = sum(scores) // len(answers)
        hot["survey_trend"][slot] = _trend(scores)
    nps = surveys.get("nps", {}).values()
    hot["detractor_ts"] = max((a.ts for a in nps if a.score <= DETRACTOR), default=UNSET)
    hot["promoter_ts"] = max((a.ts for a in nps if a.score >= PROMOTER), default=UNSET)
    oldest = min((min(by.values()).ts for by in surveys.values() if by), default=UNSET)
    if oldest != UNSET:
        store.expiries[oldest // DAY + DAYS].add(row)


def _trend(scores: Sequence[int]) -> int:
    """Mean of the newer half less that of the older half, oldest first; 0 for too few."""
    half = len(scores) // 2
    return sum(scores[-half:]) // half - sum(scores[:half]) // half if len(scores) >= TREND_ANSWERS else 0
