"""Alerts as lines on standard output: for a terminal, or for whatever collects the output of a container."""

from __future__ import annotations

from typing import Final, TextIO

from alerts import render
from alerts.model import Alert
from alerts.sinks.base import SinkError


class Stdout:
    """Writes one line an alert: plain words, or the JSON document."""

    name: Final = "stdout"

    def __init__(self, stream: TextIO, *, as_json: bool) -> None:
        self._stream = stream
        self._as_json = as_json

    async def send(self, alert: Alert) -> None:
        """Writes and flushes the line. Raises SinkError (retryable) if the stream does not take it."""
        line = render.body(alert).decode() if self._as_json else render.line(alert)
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except OSError as error:
            raise SinkError(f"the output cannot be written: {error.strerror}", retryable=True) from error

    async def close(self) -> None:
        """Leaves the stream open: it is not ours."""
