"""Alerts as signed HTTP requests.

The receiver computes `signature(secret, timestamp, body)` over the raw body, compares it in constant time
with `Accountpulse-Signature`, refuses old timestamps, and drops what it already has of the same
`Accountpulse-Alert-Id`, `Accountpulse-Phase` and `Accountpulse-Revision`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import ssl
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
from pydantic import SecretStr

from alerts import render
from alerts.model import Alert
from alerts.sinks.base import SinkError

RETRYABLE_STATUS: Final = frozenset({408, 425, 429})
_HOPELESS: Final = (httpx.LocalProtocolError, httpx.UnsupportedProtocol)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """`v1=` and the hex HMAC-SHA256 over `<timestamp>.<body>`; timestamp in Unix seconds as in its header."""
    mac = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"v1={mac.hexdigest()}"


class _Handshake:
    """The connection that an attempt opened, until TLS is agreed on.

    The client closes it if the handshake fails, or takes too long; not if it is cut off, as a whole attempt is.
    """

    def __init__(self) -> None:
        self._stream: Any = None

    async def trace(self, event: str, info: dict[str, Any]) -> None:
        """Hears what the client does (https://www.python-httpx.org/advanced/extensions/#trace)."""
        if event == "connection.connect_tcp.complete":
            self._stream = info["return_value"]
        elif event == "connection.start_tls.complete":
            self._stream = None

    async def close(self) -> None:
        """Closes it, if it is still there."""
        if self._stream is not None:
            await self._stream.aclose()


class Webhook:
    """POSTs the JSON document of each alert to one URL.

    Args:
        url: http or https; may carry credentials, which never show up in errors or logs.
        secret: Key of the signature.
        timeout: Seconds for connecting and for each read; a whole attempt gets twice that, whatever drips.
        now_ms: Wall time, milliseconds UTC: the signed timestamp, and the base of dates in Retry-After.
        context: TLS trust; None is the system's.

    Raises:
        ValueError: The URL is no http or https URL.
    """

    name: Final = "webhook"

    def __init__(
        self,
        url: SecretStr,
        secret: SecretStr,
        *,
        timeout: float,
        now_ms: Callable[[], int],
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._url = parse_url(url)
        self._secret = secret
        self._attempt_timeout = 2 * timeout
        self._now_ms = now_ms
        # Written at INFO and DEBUG by the client itself, URL and headers included.
        for client_log in ("httpx", "httpcore"):
            logging.getLogger(client_log).setLevel(logging.WARNING)
        self._client = httpx.AsyncClient(
            verify=context or ssl.create_default_context(),
            timeout=timeout,
            trust_env=False,
            headers={"User-Agent": "accountpulse", "Content-Type": "application/json"},
        )

    async def send(self, alert: Alert) -> None:
        """Sends one request; any 2xx is delivery.

        Raises:
            SinkError: Retryable for network trouble, timeouts, 408, 425, 429 and 5xx; else not.
        """
        body, handshake = render.body(alert), _Handshake()
        try:
            async with asyncio.timeout(self._attempt_timeout):
                response = await self._client.post(
                    self._url,
                    content=body,
                    headers=self._headers(alert, body),
                    extensions={"trace": handshake.trace},
                )
        except TimeoutError:
            await handshake.close()
            raise SinkError(f"no whole answer within {self._attempt_timeout:g} s", retryable=True) from None
        except httpx.HTTPError as error:
            # Neither the text nor the cause is kept: both may hold the URL.
            raise SinkError(
                f"request failed: {type(error).__name__}", retryable=not isinstance(error, _HOPELESS)
            ) from None
        if not response.is_success:
            status = response.status_code
            raise SinkError(
                f"answered {status}",
                retryable=status in RETRYABLE_STATUS or status >= 500,
                retry_after=self._retry_after(response.headers.get("Retry-After")),
            )

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    def _headers(self, alert: Alert, body: bytes) -> dict[str, str]:
        timestamp = str(self._now_ms() // 1000)
        return {
            "Accountpulse-Timestamp": timestamp,
            "Accountpulse-Signature": signature(self._secret.get_secret_value(), timestamp, body),
            "Accountpulse-Alert-Id": alert.id,
            "Accountpulse-Phase": alert.phase.value,
            "Accountpulse-Revision": str(alert.revision),
        }

    def _retry_after(self, value: str | None) -> float | None:
        """Seconds from either form of the header (RFC 9110, 10.2.3); None if absent or unreadable."""
        if value is None:
            return None
        if value.strip().isdecimal():
            return float(value)
        with contextlib.suppress(ValueError):
            return max(0.0, parsedate_to_datetime(value).timestamp() - self._now_ms() / 1000)
        return None


def parse_url(url: SecretStr) -> httpx.URL:
    """The URL behind the secret. Raises ValueError, without the URL in it, if it is no http or https URL."""
    try:
        parsed = httpx.URL(url.get_secret_value())
    except httpx.InvalidURL:
        raise ValueError("the webhook URL cannot be read") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError("the webhook URL must start with http:// or https:// and name a host")
    return parsed
