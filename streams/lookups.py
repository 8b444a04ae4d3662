"""Hashes of Redis that are asked for at the same time are read in one round trip, over one connection."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

MOST: Final = 256
"""Hashes of one round trip."""
Fields = Mapping[bytes | str, bytes | str]
_Asked = tuple[str, asyncio.Future[Fields]]
Read = Callable[[Sequence[str]], Awaitable[Sequence[Fields]]]


class Lookups:
    """Collects keys while an answer is awaited; what was asked for first is read first."""

    def __init__(self, read: Read) -> None:
        """`read` answers for all keys, in their order, or raises for all of them."""
        self._read = read
        self._asked: deque[_Asked] = deque()
        self._trip: list[_Asked] = []
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: str) -> Fields:
        """The fields of a hash; none if there is no such key. Raises what reading raises."""
        future: asyncio.Future[Fields] = asyncio.get_running_loop().create_future()
        self._asked.append((key, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return await future

    async def close(self) -> None:
        """Whoever still waits is cancelled."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for _, future in (*self._trip, *self._asked):
            future.cancel()

    async def _run(self) -> None:
        while self._asked:
            some = [self._asked.popleft() for _ in range(min(MOST, len(self._asked)))]
            self._trip = [(key, future) for key, future in some if not future.done()]
            answers: Sequence[Fields | Exception]
            try:
                answers = await self._read([key for key, _ in self._trip])
            except Exception as error:  # noqa: BLE001 - handed to whoever waits
                answers = [error] * len(self._trip)
            for (_, future), answer in zip(self._trip, answers, strict=True):
                _settle(future, answer)


def _settle(future: asyncio.Future[Fields], answer: Fields | Exception) -> None:
    if future.done():
        return  # who waited gave up
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
