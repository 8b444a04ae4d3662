"""How often scores are published: by what the rest of the worker takes of its thread."""

from __future__ import annotations

import time
from typing import Final

SCORING_S: Final = 0.05
"""Time that one flush spends on scores; those it does not get to come first in the next one."""
_OTHERS_FIRST: Final = 8
"""On a thread that is busy folding, the pause after scoring is so many times what it took."""
_MEMORY_S: Final = 1.0
"""Time over which it is told how busy the thread is: a tick alone does not make it so."""


class Pace:
    """Pauses between publications. Folding and ticks come first, rows do not; an idle thread scores all the time."""

    def __init__(self, interval: float) -> None:
        """`interval` in seconds: half of it is the shortest pause when everybody was looked at."""
        self._shortest = interval / 2
        self._wall, self._scoring, self._others = time.monotonic(), 0.0, time.thread_time()
        self._busy = 0.0

    def pause(self, scoring_s: float, rows_s: float) -> float:
        """Seconds to wait after a publication, be it one that could not begin.

        `scoring_s` and `rows_s` are what scores and rows took since the start of the worker: where a flush used up its
        time for scores, some may be left.
        """
        wall, others = time.monotonic(), time.thread_time() - scoring_s - rows_s
        spent, passed = scoring_s - self._scoring, max(wall - self._wall, 1e-6)
        busy = min(max((others - self._others) / passed, 0.0), 1.0)
        self._busy += (busy - self._busy) * min(passed / _MEMORY_S, 1.0)
        self._wall, self._scoring, self._others = wall, scoring_s, others
        shortest = 0.0 if spent >= SCORING_S else self._shortest
        return max(shortest, _OTHERS_FIRST * spent * self._busy)
