"""From an alert to exactly one fate: sent, known already, too old, or refused for good.

At least once: the delivery log is written after the receiver has the alert, so a crash in between repeats it
under the same `(id, phase)`. Alerts of one account keep their order; an account that waits holds up no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from enum import StrEnum
from typing import Final, Protocol

from msgspec import Struct

from alerts.model import Alert, Phase
from alerts.sinks.base import Sink, SinkError

HOUR_MS: Final = 3_600_000
LONGEST_WAIT: Final = 3600.0
"""Seconds; a receiver may not put us off for longer with Retry-After."""
NOTABLE: Final = frozenset({Phase.FIRING, Phase.RESOLVED})
"""Phases that people hear about; the others are steps on the way."""


class Fate(StrEnum):
    """What became of an alert at one sink; also log field and metric label."""

    SENT = "sent"
    ALREADY_SENT = "already_sent"
    COLD_START = "cold_start"
    QUIET_PHASE = "quiet_phase"
    UNDELIVERABLE = "undeliverable"


class Outcome(Struct, frozen=True):
    """A fate, how many attempts it took, and what the sink said last."""

    fate: Fate
    attempts: int = 0
    detail: str = ""


class DeliveryLog(Protocol):
    """Remembers what was delivered where. Both calls wait for as long as the log is away."""

    async def seen(self, alert: Alert, sink: str) -> bool:
        """Whether this id and phase is done with at this sink."""

    async def record(self, alert: Alert, sink: str) -> None:
        """Marks it as done with."""


class Backoff(Struct, frozen=True):
    """Seconds between attempts: doubling from `first` to `longest`, of which a random half is taken off."""

    first: float = 0.5
    longest: float = 60.0

    def delay(self, attempt: int, jitter: float) -> float:
        """Wait after failed attempt number `attempt` (from 1); `jitter` in 0..1."""
        full = min(self.longest, self.first * 2.0 ** min(attempt - 1, 60))
        return full * (0.5 + jitter / 2)


class Deliverer:
    """Delivers to one sink.

    Args:
        sink: The channel.
        log: The delivery log.
        cold_start_hours: An alert made this long before it was published is history: recorded, never sent.
        concurrency: Requests under way at a time; accounts that wait for a retry do not count.
        attempt_timeout: Seconds after which an attempt is given up and repeated, whatever the sink does.
        backoff: Waits between attempts.
        on_retry: Called with the error before each wait.
    """

    def __init__(
        self,
        sink: Sink,
        log: DeliveryLog,
        *,
        cold_start_hours: float = 6.0,
        concurrency: int = 8,
        attempt_timeout: float = 60.0,
        backoff: Backoff | None = None,
        on_retry: Callable[[SinkError], None] = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sink = sink
        self._log = log
        self._cold_start_ms = cold_start_hours * HOUR_MS
        self._attempt_timeout = attempt_timeout
        self._backoff = backoff or Backoff()
        self._on_retry = on_retry
        self._sleep = sleep
        self._slots = asyncio.Semaphore(concurrency)
        self._turns: dict[str, asyncio.Lock] = {}
        self._waiting: dict[str, int] = {}

    async def deliver(self, alert: Alert, recorded_at_ms: int) -> Outcome:
        """Brings one alert to its fate; called in the order of the log.

        Retryable failures are retried without end: giving up loses the alert, and only its account waits.

        Args:
            alert: What to send.
            recorded_at_ms: Kafka timestamp of its record.
        """
        if alert.phase not in NOTABLE:
            return Outcome(Fate.QUIET_PHASE)
        async with self._turn(alert.account_id):
            if await self._log.seen(alert, self._sink.name):
                return Outcome(Fate.ALREADY_SENT)
            if recorded_at_ms - alert.tick > self._cold_start_ms:
                # Remembered as well: republished at a takeover it could look young enough to be sent.
                await self._log.record(alert, self._sink.name)
                return Outcome(Fate.COLD_START)
            outcome = await self._send(alert)
            if outcome.fate is Fate.SENT:
                await self._log.record(alert, self._sink.name)
            return outcome

    async def _send(self, alert: Alert) -> Outcome:
        attempt = 0
        while True:
            attempt += 1
            error = await self._attempt(alert)
            if error is None:
                return Outcome(Fate.SENT, attempt)
            if not error.retryable:
                return Outcome(Fate.UNDELIVERABLE, attempt, str(error))
            self._on_retry(error)
            await self._sleep(self._wait(attempt, error.retry_after))

    async def _attempt(self, alert: Alert) -> SinkError | None:
        async with self._slots:
            try:
                async with asyncio.timeout(self._attempt_timeout):
                    await self._sink.send(alert)
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

    @contextlib.asynccontextmanager
    async def _turn(self, account_id: str) -> AsyncIterator[None]:
        """One alert of an account at a time, first come first served; forgotten with the last that waits."""
        lock = self._turns.setdefault(account_id, asyncio.Lock())
        self._waiting[account_id] = self._waiting.get(account_id, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._waiting[account_id] -= 1
            if not self._waiting[account_id]:
                del self._waiting[account_id], self._turns[account_id]
