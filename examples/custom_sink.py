"""A delivery channel of your own: one class, here one that appends alerts to a file per owner.

Offer it to accountpulse from your package's pyproject.toml and install the package beside it:

    [project.entry-points."accountpulse.sinks"]
    owner-files = "custom_sink:OwnerFiles"

`accountpulse check` then lists it, and `accountpulse notifier --sink owner-files` delivers to it, in a
consumer group of its own. accountpulse sees to order per account, retries, the delivery log and dead letters;
the class sends one alert or says whether trying again can help. Delivery is at least once: a receiver keeps
`(alert.id, alert.phase, alert.revision)` to drop repeats.
"""

from __future__ import annotations

import os
from pathlib import Path

from alerts import render
from alerts.model import Alert
from alerts.sinks.base import SinkError


class OwnerFiles:
    """Appends each alert to `<directory>/<owner>.txt`.

    The class is built without arguments; where it writes to comes from its own environment variable.
    """

    name = "owner-files"

    def __init__(self) -> None:
        self._directory = Path(os.environ.get("OWNER_FILES_DIR", "."))  # noqa: TID251 - this sink's own setting

    async def send(self, alert: Alert) -> None:
        """Delivers one alert."""
        owner = alert.attributes.get("owner")
        if not owner:
            raise SinkError("the account has no owner", retryable=False)
        safe_name = "".join(char if char.isalnum() or char in "@.-" else "_" for char in str(owner))
        try:
            with (self._directory / f"{safe_name}.txt").open("a", encoding="utf-8") as file:
                file.write(f"{render.text(alert)}\n\n")
        except OSError as error:
            raise SinkError(f"cannot write: {error.strerror}", retryable=True) from error

    async def close(self) -> None:
        """Nothing is held open."""
