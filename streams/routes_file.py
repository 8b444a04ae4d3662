"""The routes file, read: its faults carry its name, whoever asks."""

from __future__ import annotations

from pathlib import Path

from alerts.route_tree import RoutesError, Tree, parse
from streams.settings import UnusableFileError


def read_routes(path: Path | None) -> Tree | None:
    """The tree of a routes file; None for no file.

    Raises:
        UnusableFileError: It cannot be read.
        RoutesError: It is wrong; one fault a line, each with the name of the file.
    """
    if path is None:
        return None
    try:
        return parse(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableFileError("routes", path, getattr(error, "strerror", None) or error) from None
    except RoutesError as error:
        raise RoutesError("\n".join(f"routes {path}: {fault}" for fault in str(error).splitlines())) from None
