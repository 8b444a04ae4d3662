"""A server as a child process in its own session: start, stop, kill, freeze, thaw."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

PORTS: Final = range(20_000, 32_000)
"""Below the ephemeral range: there, a client that retries a killed server's port can connect to itself."""


class ServerUnavailableError(RuntimeError):
    """The server cannot be started here; the message names what is missing or what it printed last."""


def free_port() -> int:
    """A loopback port nobody listens on now. Raises ServerUnavailableError if none of 200 draws is free."""
    for _ in range(200):
        port = PORTS[secrets.randbelow(len(PORTS))]
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ServerUnavailableError(f"no free port between {PORTS.start} and {PORTS.stop}")


def wait_until(ready: Callable[[], bool], *, timeout: float, interval: float = 0.05) -> bool:
    """Ask `ready` until it says yes or `timeout` seconds have passed; returns its last answer."""
    deadline = time.monotonic() + timeout
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True


def listens(port: int) -> bool:
    """Whether somebody accepts connections on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class ServerProcess:
    """One command that can be started again and again; its output is appended to `log`."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.command = tuple(command)
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: weakref.finalize[..., ServerProcess] | None = None

    @property
    def alive(self) -> bool:
        """Whether the process runs (or is frozen)."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Process id, None if it does not run."""
        return self._process.pid if self._process is not None and self.alive else None

    def start(self, ready: Callable[[], bool], *, timeout: float) -> None:
        """Start and wait until `ready` answers yes, at most `timeout` seconds.

        Raises ServerUnavailableError, with the end of the log, if the process ends or stays silent.
        """
        if self.alive:
            raise ServerUnavailableError(f"already running: {self.command[0]}")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        # its own session: no Ctrl-C reaches it, so nothing else would end it when this interpreter exits
        self._guard = weakref.finalize(self, _kill_group, self._process)
        if not wait_until(lambda: not self.alive or ready(), timeout=timeout) or not self.alive:
            tail = self.log.read_text("utf-8", errors="replace")[-2000:]
            self.kill()
            raise ServerUnavailableError(f"{self.command[0]} did not come up within {timeout:g} s:\n{tail}")

    def stop(self, timeout: float = 10.0) -> None:
        """SIGTERM, and SIGKILL if it still runs after `timeout` seconds; does nothing if not running."""
        if self._process is None:
            return
        self.resume()
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        self.kill()

    def kill(self) -> None:
        """SIGKILL, also to a frozen process; does nothing if not running."""
        if self._guard is not None:
            self._guard()

    def pause(self) -> None:
        """Freeze (SIGSTOP): connections stay open, nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Thaw (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.alive:
            os.killpg(self._process.pid, number)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
