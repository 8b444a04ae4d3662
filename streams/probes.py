"""A small HTTP server for probes and metrics; it answers from the start, during recovery, too.

/live says that the event loop turns, /ready that the worker does its work (or why it does not), /metrics what
Prometheus scrapes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import msgspec
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

_TIMEOUT_S: Final = 5.0
_JSON: Final = "application/json"
_MAX_HEADER_LINES: Final = 100

log = structlog.get_logger(__name__)


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether to send work here, and if not, why."""

    ready: bool
    reasons: list[str] = []
    partitions: list[int] = []
    recovery_rows_left: int = 0


def unusable_address(host: str, port: int, error: OSError) -> OSError:
    """What to say when nobody can listen there."""
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error
    return OSError(f"ACCOUNTPULSE_PROBES__PORT: nothing can listen at {host}:{port}: {reason}")


class ProbeServer:
    """Serves /live, /ready and /metrics; for GET and HEAD without a body, one request a connection."""

    def __init__(self, readiness: Callable[[], Readiness], registry: CollectorRegistry) -> None:
        """`readiness` and the collectors of `registry` are called in the event loop: they must be quick."""
        self._readiness = readiness
        self._registry = registry
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 picks a free one, see `port`. Raises OSError if that is not possible."""
        try:
            self._server = await asyncio.start_server(self._handle, host, port, limit=16_384)
        except OSError as error:
            raise unusable_address(host, port, error) from None
        self.port = self._server.sockets[0].getsockname()[1]
        log.info("probes are served", host=host, port=self.port)

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_TIMEOUT_S):
                request = await reader.readline()
                for _ in range(_MAX_HEADER_LINES):
                    if await reader.readline() in {b"\r\n", b"\n", b""}:
                        break
                method, target, *_rest = [*request.decode("ascii").split(), "", ""]
                status, kind, body = self._answer(method, target.partition("?")[0])
                head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\n"
                head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                writer.write(head.encode() + (b"" if method == "HEAD" else body))
                await writer.drain()
        writer.close()

    def _answer(self, method: str, path: str) -> tuple[HTTPStatus, str, bytes]:
        if method not in {"GET", "HEAD"}:
            return HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"GET only\n"
        if path == "/live":
            return HTTPStatus.OK, _JSON, b'{"live":true}'
        if path == "/ready":
            readiness = self._readiness()
            status = HTTPStatus.OK if readiness.ready else HTTPStatus.SERVICE_UNAVAILABLE
            return status, _JSON, msgspec.json.encode(readiness)
        if path == "/metrics":
            return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(self._registry)
        return HTTPStatus.NOT_FOUND, "text/plain", b"/live, /ready, /metrics\n"
