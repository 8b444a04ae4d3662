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
        for _, future in self._asked:
            future.cancel()

    async def _run(self) -> None:
        while self._asked:
            some = [self._asked.popleft() for _ in range(min(MOST, len(self._asked)))]
            waiting = [(key, future) for key, future in some if not future.done()]
            try:
                answers = await self._read([key for key, _ in waiting])
            except BaseException as error:
                _give_up(waiting, error)
                if not isinstance(error, Exception):
                    raise
            else:
                for (_, future), fields in zip(waiting, answers, strict=True):
                    if not future.done():  # who waited may have given up
                        future.set_result(fields)


def _give_up(waiting: Sequence[_Asked], error: BaseException) -> None:
    for _, future in waiting:
        if not isinstance(error, Exception):
            future.cancel()
        elif not future.done():
            future.set_exception(error)
