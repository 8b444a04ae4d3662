"""Records of the outputs that are the engine's own: their keys begin with NUL, which no account id may."""

from __future__ import annotations

from typing import Final

TERM_KEY: Final = b"\0term"
"""Opens the term of an owner (`streams.fence`)."""
CLOCK_KEY: Final = b"\0clock"
"""In `state`, the last record of a commit: the newest full hour that every account of the partition was scored at."""

TIME_KEY: Final = b"\0time"
"""In `dead-letters`: a worker that starts asked what time it is (`streams.broker_time`)."""


def is_own(key: bytes | None) -> bool:
    """Whether a record of an output is one of the engine's own: every reader skips those."""
    return key is not None and key.startswith(b"\0")
