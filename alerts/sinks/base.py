"""What a delivery channel is, and how one that somebody else wrote is found.

A sink sends one alert or says why not; all it states about a failure is whether trying again can help. Order,
retries, routes, the delivery log and dead letters are the business of `alerts.delivery` and `streams.notifier`.
A `Messenger` is a sink that can also address channels, combine alerts, and come back to what it posted.
"""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from typing import Final, Protocol, runtime_checkable

from msgspec import Struct

from alerts.model import Alert

GROUP: Final = "accountpulse.sinks"
"""Entry-point group: each entry names a class that is built without arguments and is a `Sink`."""


NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class SinkError(Exception):
    """An alert was not delivered. The message goes to logs and dead letters: no credentials in it.

    Attributes:
        retryable: Whether the same alert may be accepted later.
        retry_after: Seconds the receiver asks to wait, if it said so.
        credentials: Whether it refuses who we are: nothing can be delivered until somebody mends that.
    """

    def __init__(
        self, message: str, *, retryable: bool, retry_after: float | None = None, credentials: bool = False
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after
        self.credentials = credentials


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


class Message(Struct, frozen=True):
    """What a messenger posts: one alert, or several of one receiver in one message.

    With a receipt it belongs to something posted before: the same alert in another phase or revision.
    """

    alerts: tuple[Alert, ...]
    channel: str = ""
    """Empty: the messenger's default."""
    receipt: str | None = None


@runtime_checkable
class Messenger(Sink, Protocol):
    """A sink that comes back to what it posted. It is called for many messages at once and paces itself."""

    async def post(self, message: Message) -> str | None:
        """Posts, or changes what the receipt stands for; returns when the receiver has it, within a minute or so.

        Returns:
            A receipt, kept with the alerts of the message and handed back with what follows; None keeps the old one.

        Raises:
            SinkError: As for `send`.
        """


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
