"""Work of milliseconds takes turns: between any two pieces of it the event loop serves heartbeats, timers and answers.

Partitions fold, tick and encode in tasks of their own. If each of them only gave the loop back from time to time, one
turn of the loop would still be as long as a piece of work of all of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from types import TracebackType
from typing import Final, Self

_SHARE_S: Final = 0.005


class Turn:
    """The right to work, given up after 5 ms (not after every step: each turn of the loop may cost a whole batch)."""

    def __init__(self, lock: asyncio.Lock) -> None:
        """`lock` is shared by all whose work is long."""
        self._lock = lock
        self._held = False
        self._since = 0.0

    async def __aenter__(self) -> Self:
        await self._acquire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._held:  # not if it was cancelled while it waited
            self._release()

    async def _acquire(self) -> None:
        await self._lock.acquire()
        self._held, self._since = True, time.monotonic()

    def _release(self) -> None:
        self._held = False
        self._lock.release()

    async def pause(self) -> None:
        """Let the loop turn, and others work, if it is time."""
        if time.monotonic() - self._since > _SHARE_S:
            # Still held, or others would begin in the turn of the loop that this one ends.
            await asyncio.sleep(0)
            self._release()
            await self._acquire()

    async def aside(self, step: Awaitable[None]) -> None:
        """Give the turn up for a step that others have to do."""
        self._release()
        await step
        await self._acquire()
