"""The delivery log in Redis: one expiring hash per alert id and sink, one expiring key per cool-down.

A hash has a field for each phase, revision and receiver that is done with, and the receipt of each receiver.
While Redis is away all calls keep trying, so delivery waits and nothing is sent twice. An emptied Redis
repeats what is published again; receivers recognise it by `(id, phase, revision)`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import structlog
from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as RedisClient
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError, ResponseError

from alerts.delivery import Known
from alerts.model import Alert, Phase
from alerts.route import Target
from alerts.sending import Fate
from streams.lookups import Fields, Lookups
from streams.settings import Redis

DAY_S: Final = 86_400
CONNECTIONS: Final = 32
"""Of one client, at most."""
FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 5.0
_REASON: Final = 120
_STEP: Final = "step"
_RECEIPT: Final = "receipt"
T = TypeVar("T")
logger = structlog.get_logger(__name__)


class RedisUrlError(OSError):
    """ACCOUNTPULSE_REDIS__URL cannot be used; the message does not repeat it, as it may hold a password."""

    def __init__(self) -> None:
        super().__init__(
            "ACCOUNTPULSE_REDIS__URL is no Redis URL: redis://HOST:PORT/DATABASE or rediss://..."
        )


def connect(redis: Redis, *, timeout: float = 5.0) -> RedisClient:
    """A client for these settings; it connects at first use. `timeout` in seconds per command and connection.

    Raises:
        RedisUrlError: The URL is no Redis URL.
        UnusableFileError: A certificate cannot be used; at first use that would look like a Redis that is away.
    """
    url, tls = redis.url, redis.tls
    tls.context()
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
    try:
        # Waits for a connection that is free: the other pool of redis-py refuses whoever comes when all are in use.
        pool = BlockingConnectionPool.from_url(url, max_connections=CONNECTIONS, timeout=None, **arguments)
    except ValueError:
        raise RedisUrlError from None
    return RedisClient.from_pool(pool)


def refusal(error: ResponseError) -> str:
    """What Redis said, without the command that the client puts before it: that holds records."""
    return str(error).rpartition("caused error: ")[2].strip("(),'\"")[:_REASON]


class RedisDeliveryLog:
    """A `DeliveryLog` under `<prefix>delivery:` and `<prefix>cooldown:`, shared by all sinks; closes its client."""

    def __init__(self, client: RedisClient, *, prefix: str, days: int, receipt_days: int) -> None:
        """`days` is how long a delivery is remembered: longer than the alerts topic keeps records.

        One with a receipt is remembered for `receipt_days`: as long as an alert may fire.
        """
        self._client = client
        self._prefix = prefix
        self._seconds = {False: days * DAY_S, True: max(days, receipt_days) * DAY_S}
        self._away = False
        self._lookups = Lookups(self._look_up)

    async def known(self, alert: Alert, sink: str) -> Known:
        """What is remembered of this alert's id at this sink; waits while Redis is away.

        What is still published is still remembered: the answer renews the key.
        """
        fields = await self._lookups.get(self._key(alert, sink))
        known = Known({}, {})
        for raw, value in fields.items():
            kind, *rest = _text(raw).split(":", 3)
            if kind == _RECEIPT:
                known.receipts[rest[0]] = _text(value)
            else:
                known.steps[rest[0], int(rest[1]), rest[2]] = _text(value)
        return known

    async def _look_up(self, keys: Sequence[str]) -> list[Fields]:
        """The hashes of these keys, which are renewed."""

        async def read() -> list[Fields]:
            async with self._client.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.hgetall(key)
                found: list[Fields] = await pipe.execute()
                for key, fields in zip(keys, found, strict=True):
                    if fields:
                        kept = any(_text(field).startswith(_RECEIPT) for field in fields)
                        pipe.expire(key, self._seconds[kept])
                await pipe.execute()
            return found

        return await self._answer(read)

    async def record(
        self, alerts: Sequence[Alert], target: Target, fate: Fate, receipt: str | None = None
    ) -> None:
        """Marks them as done with, all or none; waits while Redis is away."""

        async def write() -> None:
            async with self._client.pipeline(transaction=True) as pipe:
                for alert in alerts:
                    self._write(pipe, alert, target, fate, receipt)
                await pipe.execute()

        await self._answer(write)

    async def cooling(self, alert: Alert, target: Target) -> bool:
        """Whether another alert of this account and rule was sent there within the cool-down, in event time."""
        value = await self._answer(lambda: self._client.get(self._cooldown_key(alert, target)))
        if value is None:
            return False
        alert_id, _, tick = _text(value).partition(" ")
        return alert_id != alert.id and alert.tick - int(tick) < target.cooldown_ms

    async def close(self) -> None:
        """Closes the connections."""
        await self._lookups.close()
        await self._client.aclose()

    def _write(self, pipe: Pipeline, alert: Alert, target: Target, fate: Fate, receipt: str | None) -> None:
        key, receiver = self._key(alert, target.sink), target.receiver
        pipe.hset(key, f"{_STEP}:{alert.phase.value}:{alert.revision}:{receiver}", fate.value)
        if receipt is not None:
            pipe.hset(key, f"{_RECEIPT}:{receiver}", receipt)
        pipe.expire(key, self._seconds[receipt is not None])
        if fate is Fate.SENT and alert.phase is Phase.FIRING and not alert.revision and target.cooldown_ms:
            begun = f"{alert.id} {alert.tick}"
            pipe.set(self._cooldown_key(alert, target), begun, px=target.cooldown_ms)

    def _key(self, alert: Alert, sink: str) -> str:
        return f"{self._prefix}delivery:{sink}:{alert.id}"

    def _cooldown_key(self, alert: Alert, target: Target) -> str:
        what = hashlib.sha256(f"{alert.account_id}\0{alert.rule}".encode()).hexdigest()[:32]
        return f"{self._prefix}cooldown:{target.sink}:{target.receiver}:{what}"

    async def _answer(self, call: Callable[[], Awaitable[T]]) -> T:
        wait = FIRST_WAIT
        while True:
            try:
                answer = await call()
            except (RedisError, OSError) as error:
                if not self._away:
                    self._away = True
                    said = {"reason": refusal(error)} if isinstance(error, ResponseError) else {}
                    logger.warning("delivery_log_away", error=type(error).__name__, **said)
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
            else:
                if self._away:
                    self._away = False
                    logger.info("delivery_log_back")
                return answer


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
