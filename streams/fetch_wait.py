"""How long a fetch may wait at the broker for more records: not beyond the moment that a tick waits for."""

from __future__ import annotations

from typing import Final

from streams.settings import Engine

_SHORT_MS: Final = 20
_LATE_MS: Final = 50
"""How late the worker may notice that a feed has become idle."""
_MOST_IDLE_MS: Final = 250
"""Who waits longer for a feed does not feel the length of a fetch."""


class FetchWait:
    """A tick needs an answer that was asked for after it was due, and every feed read past it, or silent for a while.

    What follows the tick waits for that. So fetches are short from when such a silence may have begun until it is over.
    """

    def __init__(self, most: int, engine: Engine) -> None:
        """`most` is how many milliseconds a fetch may wait when no tick is due."""
        idle = min(round(engine.idle * 1000), _MOST_IDLE_MS)
        self._most = most
        self._tick = engine.tick * 1000
        self._first = round(engine.grace * 1000) - idle
        self._short = 2 * idle + _LATE_MS

    def __call__(self, now: int) -> int:
        """Milliseconds that a fetch may wait that is asked for at `now` (ms UTC)."""
        since = (now - self._first) % self._tick
        if since <= self._short:
            return min(self._most, _SHORT_MS)
        return min(self._most, self._tick - since + 1)
