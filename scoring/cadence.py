"""The account's own rhythm: after how many quiet days its silence means something (docs/semantics.md, 8)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.layout import CADENCES, DAYS
from scoring.rule_options import Silence
from scoring.state import Store
from scoring.times import Int64

LOOK_BACK: Final = 120
"""Days before today that the rhythm is learned from."""


def learn_cadence(store: Store, rows: Int64, today: int, rule: Silence) -> None:
    """At the first tick of a day: the quiet days that these accounts are allowed, 0 where too little is known."""
    columns = np.arange(today - LOOK_BACK, today) % DAYS
    for slot in range(len(CADENCES)):
        words = np.ascontiguousarray(store.hot["active"][rows, slot])
        bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
        limit = silence_limit(bits[:, columns].astype(np.bool_), rule.factor, rule.minimum_gaps)
        store.hot["silence_days"][rows, slot] = limit


def silence_limit(active: NDArray[np.bool_], factor: int, minimum_gaps: int) -> Int64:
    """Quiet days allowed, from (n, days) activity: `factor` median gaps, or twice what nine of ten stay within.

    The second keeps weekends, free Mondays and single holidays from counting as silence. 0 for fewer gaps than
    `minimum_gaps`.
    """
    n, days = active.shape
    at = np.where(active, np.arange(days, dtype=np.int16), np.int16(-1))
    before = np.full((n, days), -1, np.int16)
    before[:, 1:] = np.maximum.accumulate(at, axis=1)[:, :-1]
    gaps = np.sort(np.where(active & (before >= 0), at - before, 0).astype(np.int8), axis=1)
    k = np.count_nonzero(gaps, axis=1)
    row, first = np.arange(n), days - k - 1  # gaps[row, first + i] is the i-th smallest, i from 1
    known = k >= max(minimum_gaps, 1)
    median = gaps[row, np.where(known, first + (k + 1) // 2, 0)].astype(np.int64)
    usual = gaps[row, np.where(known, first + (9 * k + 9) // 10, 0)].astype(np.int64)
    return np.where(known, np.maximum(factor * median, 2 * usual), 0)
