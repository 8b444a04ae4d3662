"""The delivery log in Redis: one expiring key per alert id, phase and sink.

While Redis is away both calls keep trying, so delivery waits and nothing is sent twice. An emptied Redis
repeats what is published again; receivers recognise it by `(id, phase)`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import structlog
from redis.asyncio import Redis as RedisClient
from redis.exceptions import RedisError

from alerts.model import Alert
from streams.settings import Redis

DAY_S: Final = 86_400
FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 5.0
T = TypeVar("T")
logger = structlog.get_logger(__name__)


def connect(redis: Redis, *, timeout: float = 5.0) -> RedisClient:
    """A client for these settings; it connects at first use. `timeout` in seconds per command and connection.

    Raises:
        ValueError: The URL is no Redis URL.
    """
    url, tls = redis.url, redis.tls
    arguments: dict[str, Any] = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    if tls.enabled:
        url = url.replace("redis://", "rediss://", 1) if url.startswith("redis://") else url
        files = {"ssl_ca_certs": tls.ca_file, "ssl_certfile": tls.cert_file, "ssl_keyfile": tls.key_file}
        arguments |= {name: str(path) for name, path in files.items() if path}
        arguments["ssl_check_hostname"] = tls.check_hostname
    if redis.username:
        arguments["username"] = redis.username
    if redis.password:
        arguments["password"] = redis.password.get_secret_value()
    return RedisClient.from_url(url, **arguments)


class RedisDeliveryLog:
    """A `DeliveryLog` under `<prefix>delivery:`, shared by all sinks; closes its client."""

    def __init__(self, client: RedisClient, *, prefix: str, days: int) -> None:
        """`days` is how long a delivery is remembered: longer than the alerts topic keeps records."""
        self._client = client
        self._prefix = f"{prefix}delivery:"
        self._seconds = days * DAY_S
        self._away = False

    async def seen(self, alert: Alert, sink: str) -> bool:
        """Whether this id and phase is done with at this sink; waits while Redis is away.

        What is still published is still remembered: the answer renews the key.
        """
        return bool(await self._answer(lambda: self._client.expire(self._key(alert, sink), self._seconds)))

    async def record(self, alert: Alert, sink: str) -> None:
        """Marks it as done with; waits while Redis is away."""
        await self._answer(lambda: self._client.set(self._key(alert, sink), 1, ex=self._seconds))

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    def _key(self, alert: Alert, sink: str) -> str:
        return f"{self._prefix}{sink}:{alert.id}:{alert.phase.value}"

    async def _answer(self, call: Callable[[], Awaitable[T]]) -> T:
        wait = FIRST_WAIT
        while True:
            try:
                answer = await call()
            except (RedisError, OSError) as error:
                if not self._away:
                    self._away = True
                    logger.warning("delivery_log_away", error=type(error).__name__)
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
            else:
                if self._away:
                    self._away = False
                    logger.info("delivery_log_back")
                return answer
