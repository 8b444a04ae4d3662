"""Work of milliseconds takes turns: between any two pieces of it the event loop serves heartbeats, timers and answers.

Partitions fold, tick and encode in tasks of their own. If each of them only gave the loop back from time to time, one
turn of the loop would still be as long as a piece of work of all of them.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Iterator
from types import TracebackType
from typing import Final, Self

_SHARE_S: Final = 0.005
_IN_A_ROW: Final = 4
"""Turns that those in a hurry may have, one after the other, while somebody patient waits."""

_Queue = deque[asyncio.Future[None]]


class Turns:
    """Whose turn it is. Who is in a hurry, as somebody waits for the result, goes before who is patient."""

    def __init__(self) -> None:
        self._hurried: _Queue = deque()
        self._patient: _Queue = deque()
        self._in_a_row = 0
        self.taken = False

    async def acquire(self, *, patient: bool) -> None:
        """Wait for a turn; in the order of asking among those who are equal."""
        if not self.taken:
            self.taken = True
            return
        asked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._patient if patient else self._hurried).append(asked)
        try:
            await asked  # the turn is handed over, not let go of: nobody comes in between
        except asyncio.CancelledError:
            if not asked.cancelled():
                self.release()
            raise

    def go_on(self, *, patient: bool) -> bool:
        """Whether who has the turn may keep it: if nobody waits, or the patient alone and not for too long yet."""
        alone = not self._hurried and not (self._patient and (patient or self._in_a_row >= _IN_A_ROW))
        self._in_a_row += alone and not patient
        return alone

    def release(self) -> None:
        """Hand the turn over."""
        hurry = self._hurried and (self._in_a_row < _IN_A_ROW or not self._patient)
        self._in_a_row = self._in_a_row + 1 if hurry else 0
        for queue in (self._hurried, self._patient) if hurry else (self._patient, self._hurried):
            while queue:
                asked = queue.popleft()
                if not asked.done():  # cancelled
                    asked.set_result(None)
                    return
        self.taken = False


class Turn:
    """The right to work, given up after 5 ms (not after every step: each turn of the loop may cost a whole batch)."""

    def __init__(self, turns: Turns, *, patient: bool = False) -> None:
        """`turns` are shared by all whose work is long."""
        self._turns = turns
        self.patient = patient
        """May change meanwhile."""
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
        await self._turns.acquire(patient=self.patient)
        self._held, self._since = True, time.monotonic()

    def _release(self) -> None:
        self._held = False
        self._turns.release()

    async def pause(self) -> None:
        """Let the loop turn, and others work, if it is time."""
        if time.monotonic() - self._since > _SHARE_S:
            # Still held, or others would begin in the turn of the loop that this one ends.
            await asyncio.sleep(0)
            if self._turns.go_on(patient=self.patient):
                self._since = time.monotonic()
                return
            self._release()
            await self._acquire()

    async def walk(self, steps: Iterator[None], most_s: float) -> bool:
        """Take steps until they end, or for so many seconds at most; returns whether they ended."""
        until = time.monotonic() + most_s
        for _ in steps:
            await self.pause()
            if time.monotonic() > until:
                return False
        return True

    async def aside(self, step: Awaitable[object]) -> None:
        """Give the turn up for a step that others have to do."""
        self._release()
        await step
        await self._acquire()
