"""How long something took, counted into buckets: what a Prometheus histogram is made of."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import Final

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets in seconds; one more bucket takes what is longer."""


class Durations:
    """A histogram of seconds."""

    def __init__(self) -> None:
        self.total = 0.0
        """Sum of all durations in seconds."""
        self._counts = [0] * (len(BOUNDS) + 1)

    @property
    def count(self) -> int:
        """How many durations were counted."""
        return sum(self._counts)

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bound and number of durations up to it, as Prometheus wants them."""
        bounds = [*(str(bound) for bound in BOUNDS), "+Inf"]
        return list(zip(bounds, accumulate(self._counts), strict=True))
