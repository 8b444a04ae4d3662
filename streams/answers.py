"""What brokers tell beside what they were asked: that they are there, and that a quota of Kafka is used up.

aiokafka tries again for ever, whether nobody answers or a password is refused, and tells its log alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import structlog
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from streams.kafka_clients import RefusedError, admin_client
from streams.settings import Kafka

CLIENTS: Final = ("consumer", "producer")
_SILENT_TIMEOUTS: Final = 1.5
"""After so many times the time-out of a request without an answer a role is not ready."""
_ASK_S: Final = 10.0

log = structlog.get_logger(__name__)


class Answers:
    """Of all clients of a role together; noted by their threads."""

    def __init__(self, kafka: Kafka) -> None:
        """As if a broker had answered just now."""
        self._kafka = kafka
        self._silent_s = _SILENT_TIMEOUTS * kafka.request_timeout
        self._heard_at = time.monotonic()
        self.held_s = dict.fromkeys(CLIENTS, 0.0)
        """For how long brokers held requests back, by client."""

    def listen(self, client: AIOKafkaClient, name: str) -> None:
        """Note the answers to a client from now on; `name` is one of CLIENTS."""
        send = client.send

        async def noting(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - aiokafka has no types
            answer = await send(*args, **options)
            self._heard_at = time.monotonic()
            if held_ms := getattr(answer, "throttle_time_ms", 0):
                self.held_s[name] += held_ms / 1000
                log.warning("a quota of Kafka holds requests back", client=name, seconds=held_ms / 1000)
            return answer

        client.send = noting

    def silence(self) -> list[str]:
        """For the probe: that no broker answers, if that is so."""
        silent_s = time.monotonic() - self._heard_at
        return [f"no broker has answered for {silent_s:.0f} s"] if silent_s > self._silent_s else []

    async def expect_welcome(self) -> None:
        """If no broker has answered for long, ask one; that may take as long as a request may.

        Raises RefusedError if that is for our password or certificate: only a start reads new ones. Brokers that are
        away may come back.
        """
        if not self.silence():
            return
        try:
            async with admin_client(self._kafka):
                pass
        except RefusedError:
            raise
        except (KafkaError, OSError) as error:
            log.warning("no broker answers", error=str(error))

    async def watch(self) -> None:
        """The same every ten seconds, for ever."""
        while True:
            await asyncio.sleep(_ASK_S)
            await self.expect_welcome()

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watches meanwhile; what `watch` raises ends the block."""
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self.watch())
                yield
                watching.cancel()
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
