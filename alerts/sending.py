"""One message to one sink, with retries: until the receiver has it or has refused it for good."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from enum import StrEnum
from typing import Final

from msgspec import Struct

from alerts.sinks.base import Message, Messenger, Sink, SinkError

LONGEST_WAIT: Final = 3600.0
"""Seconds; a receiver may not put us off for longer with Retry-After."""


class Fate(StrEnum):
    """What became of an alert at one receiver; also log field and metric label."""

    SENT = "sent"
    ALREADY_SENT = "already_sent"
    COLD_START = "cold_start"
    COOLDOWN = "cooldown"
    MUTED = "muted"
    NOT_ROUTED = "not_routed"
    QUIET_PHASE = "quiet_phase"
    UNDELIVERABLE = "undeliverable"


class Outcome(Struct, frozen=True):
    """A fate, how many attempts it took, what the sink said last, and what it returned."""

    fate: Fate
    attempts: int = 0
    detail: str = ""
    receipt: str | None = None


class Backoff(Struct, frozen=True):
    """Seconds between attempts: doubling from `first` to `longest`, of which a random half is taken off."""

    first: float = 0.5
    longest: float = 60.0

    def delay(self, attempt: int, jitter: float) -> float:
        """Wait after failed attempt number `attempt` (from 1); `jitter` in 0..1."""
        full = min(self.longest, self.first * 2.0 ** min(attempt - 1, 60))
        return full * (0.5 + jitter / 2)


class Sender:
    """Brings messages to one sink.

    Args:
        sink: The channel.
        concurrency: Requests under way at a time; what waits for a retry does not count.
        attempt_timeout: Seconds after which an attempt is given up and repeated, whatever the sink does.
        backoff: Waits between attempts.
        on_retry: Called with the error before each wait.
        sleep: Waits; tests give their own.

    A messenger paces itself: for it neither `concurrency` nor `attempt_timeout` hold.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        concurrency: int = 8,
        attempt_timeout: float = 60.0,
        backoff: Backoff | None = None,
        on_retry: Callable[[SinkError], None] = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sink = sink
        self._messenger = sink if isinstance(sink, Messenger) else None
        self._attempt_timeout = attempt_timeout
        self._backoff = backoff or Backoff()
        self._on_retry = on_retry
        self._sleep = sleep
        self._slots = asyncio.Semaphore(concurrency)

    async def send(self, message: Message) -> Outcome:
        """Sends it, or says why it cannot be. A sink that is no messenger takes one alert a message.

        Retryable failures are retried without end: giving up loses the alert, and only its account waits.
        """
        attempt = 0
        while True:
            attempt += 1
            answer = await self._attempt(message)
            if not isinstance(answer, SinkError):
                return Outcome(Fate.SENT, attempt, receipt=answer)
            if not answer.retryable:
                return Outcome(Fate.UNDELIVERABLE, attempt, str(answer))
            self._on_retry(answer)
            await self._sleep(self._wait(attempt, answer.retry_after))

    async def _attempt(self, message: Message) -> str | SinkError | None:
        try:
            if self._messenger:
                return await self._messenger.post(message)
            async with self._slots, asyncio.timeout(self._attempt_timeout):
                await self._sink.send(message.alerts[0])
        except SinkError as error:
            return error
        except TimeoutError:
            return SinkError(f"the sink took more than {self._attempt_timeout:g} s", retryable=True)
        except Exception as error:  # noqa: BLE001 - a sink may be anybody's code; its text may hold secrets
            return SinkError(f"the sink failed: {type(error).__name__}", retryable=False)
        return None

    def _wait(self, attempt: int, retry_after: float | None) -> float:
        if retry_after is not None:
            return min(retry_after, LONGEST_WAIT)
        return self._backoff.delay(attempt, random.random())  # noqa: S311 - jitter, not a secret


class Turns:
    """One at a time for each name, first come first served; forgotten with the last that waits."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._waiting: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._locks)

    @contextlib.asynccontextmanager
    async def of(self, name: str) -> AsyncIterator[None]:
        """Waits for the turn of `name` and holds it for the block."""
        lock = self._locks.setdefault(name, asyncio.Lock())
        self._waiting[name] = self._waiting.get(name, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._waiting[name] -= 1
            if not self._waiting[name]:
                del self._waiting[name], self._locks[name]
