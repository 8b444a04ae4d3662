"""How often scores are published: by what the rest of the worker takes of its thread."""

from __future__ import annotations

import time
from typing import Final

SCORING_S: Final = 0.05
"""Time that one flush spends on scores; those it does not get to come first in the next one."""
_OTHERS_FIRST: Final = 8
"""On a thread that is busy otherwise, the pause after scoring is so many times what it took."""


class Pace:
    """Pauses between publications. Folding, rows and commits come first; a thread that is idle scores all the time."""

    def __init__(self, interval: float) -> None:
        """`interval` in seconds: half of it is the shortest pause when everybody was looked at."""
        self._shortest = interval / 2
        self._cpu, self._wall, self._scoring = time.thread_time(), time.monotonic(), 0.0

    def pause(self, scoring_s: float) -> float:
        """Seconds to wait after a publication, be it one that could not begin.

        `scoring_s` is what scores took since the start of the worker: where a flush used up its time, some may be left.
        """
        cpu, wall = time.thread_time(), time.monotonic()
        spent, passed = scoring_s - self._scoring, max(wall - self._wall, 1e-6)
        others = min(max((cpu - self._cpu - spent) / passed, 0.0), 1.0)
        self._cpu, self._wall, self._scoring = cpu, wall, scoring_s
        shortest = 0.0 if spent >= SCORING_S else self._shortest
        return max(shortest, _OTHERS_FIRST * spent * others)
