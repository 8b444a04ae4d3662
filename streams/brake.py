"""The brake: a worker that rejects most of what it reads stops, instead of burying a feed that is wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from streams.settings import Engine
from streams.table import Fail


class TooManyDeadLettersError(Exception):
    """The brake tripped: most records are rejected, so the feed is wrong, not its records."""


class Brake:
    """Trips when too large a share of the last records was dead: then the feed is wrong, not its records.

    The share is taken of the whole window, so the first few records after a start cannot trip it.
    """

    def __init__(self, *, share: float, window: int) -> None:
        """`share` in 0..1 of the last `window` records."""
        self._share = share
        self._window = window
        self._blocks: deque[tuple[int, int]] = deque()
        self._records = 0
        self._dead = 0

    def add(self, records: int, dead: int) -> None:
        """Count a block of records, `dead` of them rejected; the oldest blocks leave the window."""
        self._blocks.append((records, dead))
        self._records += records
        self._dead += dead
        while self._records - self._blocks[0][0] >= self._window:
            old_records, old_dead = self._blocks.popleft()
            self._records -= old_records
            self._dead -= old_dead

    @property
    def tripped(self) -> bool:
        """Whether the share is exceeded now."""
        return self._dead > self._share * max(self._records, self._window)


class BrakeWatch:
    """Ends the worker when its brake trips."""

    def __init__(self, settings: Engine, dead: Callable[[], int], fail: Fail) -> None:
        """`dead` tells how many records were rejected since the start."""
        self._settings = settings
        self._dead = dead
        self._fail = fail
        self._brake = Brake(share=settings.dead_letter_share, window=settings.dead_letter_window)
        self._known_dead = 0

    def look(self, records: int) -> None:
        """After a block of so many records."""
        dead = self._dead()
        self._brake.add(records, dead - self._known_dead)
        self._known_dead = dead
        if self._brake.tripped:
            share, window = self._settings.dead_letter_share, self._settings.dead_letter_window
            self._fail(
                TooManyDeadLettersError(
                    f"more than {share:.0%} of the last {window} records were rejected; see "
                    "`accountpulse dead-letters list`, then correct the feed or the setting dead_letter_share"
                )
            )
