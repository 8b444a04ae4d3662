"""What a delivery channel is, and how one that somebody else wrote is found.

A sink sends one alert or says why not; all it states about a failure is whether trying again can help. Order,
retries, the delivery log and dead letters are the business of `alerts.delivery` and `streams.notifier`.
"""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from typing import Final, Protocol, runtime_checkable

from alerts.model import Alert

GROUP: Final = "accountpulse.sinks"
"""Entry-point group: each entry names a class that is built without arguments and is a `Sink`."""


NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class SinkError(Exception):
    """An alert was not delivered. The message goes to logs and dead letters: no credentials in it.

    Attributes:
        retryable: Whether the same alert may be accepted later.
        retry_after: Seconds the receiver asks to wait, if it said so.
    """

    def __init__(self, message: str, *, retryable: bool, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after


class SinkUnavailableError(Exception):
    """A sink named in the configuration cannot be loaded; the message says what to do."""


@runtime_checkable
class Sink(Protocol):
    """One delivery channel. Called from one event loop, for several accounts at once."""

    @property
    def name(self) -> str:
        """Names the channel in consumer group, delivery log and metrics: letters, digits, `-`, `_`."""

    async def send(self, alert: Alert) -> None:
        """Delivers one alert, once; returns when the receiver has it. Raises SinkError."""

    async def close(self) -> None:
        """Releases connections; nothing is sent afterwards."""


def installed() -> tuple[str, ...]:
    """Names of the sinks that installed packages offer."""
    return tuple(sorted(entry.name for entry in entry_points(group=GROUP)))


def load(name: str) -> Sink:
    """Builds the sink that an installed package offers under `name`.

    Raises:
        SinkUnavailableError: Nothing is installed under that name, it cannot be built, or it is no sink.
    """
    found = [entry for entry in entry_points(group=GROUP) if entry.name == name]
    if not found:
        offered = ", ".join(installed()) or "none"
        raise SinkUnavailableError(
            f"no sink {name!r} in entry-point group {GROUP} (installed: {offered}); install the package"
        )
    try:
        sink = found[0].load()()
    except Exception as error:
        raise SinkUnavailableError(
            f"sink {name!r} ({found[0].value}) cannot be built without arguments: {type(error).__name__}"
        ) from error
    if not isinstance(sink, Sink) or not NAME.fullmatch(sink.name):
        raise SinkUnavailableError(f"sink {name!r} ({found[0].value}) lacks send, close or a usable name")
    return sink
