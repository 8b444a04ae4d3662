"""What `accountpulse check` found, and how it looks: a status, words, a way out."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

CONNECT_S: Final = 3.0


class Status(StrEnum):
    """A note explains, a warning may hurt later, an error stops a role, environment is out of reach."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"
    ENVIRONMENT = "environment"


@dataclass(frozen=True)
class Result:
    """One thing that was looked at."""

    area: str
    status: Status
    text: str
    way_out: str = ""


async def knock(host: str, port: int) -> str | None:
    """Why no TCP connection can be made, or None."""
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        return words(error)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return None


def words(error: Exception) -> str:
    """An error in one line."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
