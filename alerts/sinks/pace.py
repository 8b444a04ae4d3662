"""One request at a time and place, with a pause in between: for receivers that limit each channel."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final

from alerts.sending import Turns

MAX_PLACES: Final = 10_000


class Pace:
    """Turns of places, `interval` seconds apart; the empty place has no pace."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._turns = Turns()
        self._free: dict[str, float] = {}
        """When a place may be asked again, by the monotonic clock."""

    @contextlib.asynccontextmanager
    async def turn(self, place: str) -> AsyncIterator[None]:
        """Waits until the place is free; the next turn begins `interval` seconds after this one at the earliest."""
        if not place:
            yield
            return
        async with self._turns.of(place):
            while (wait := self._free.get(place, 0.0) - time.monotonic()) > 0:  # noqa: ASYNC110 - put off meanwhile
                await asyncio.sleep(wait)
            self.pause(place, self._interval)
            yield

    def pause(self, place: str, seconds: float) -> None:
        """Nobody has a turn at the place for so long."""
        if len(self._free) >= MAX_PLACES:
            now = time.monotonic()
            self._free = {name: free for name, free in self._free.items() if free > now}
        self._free[place] = max(self._free.get(place, 0.0), time.monotonic() + seconds)
