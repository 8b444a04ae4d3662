"""What installed packages add: signals, by entry point."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Final

SIGNALS_GROUP: Final = "accountpulse.signals"
"""Entry-point group: each entry names a module or function; importing it registers signals."""


class ExtensionError(ValueError):
    """An installed extension cannot be loaded; the message names it and says why."""


def load_signals() -> list[str]:
    """Import the signals of installed packages, so that models can name them; returns the entries' names.

    Raises:
        ExtensionError: one of them cannot be imported.
    """
    names = []
    for entry in sorted(entry_points(group=SIGNALS_GROUP), key=lambda e: e.name):
        try:
            entry.load()
        except Exception as error:
            raise ExtensionError(
                f"signal {entry.name!r} ({entry.value}) cannot be loaded: {type(error).__name__}: {error}"
            ) from error
        names.append(entry.name)
    return names
