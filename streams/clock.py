"""The only reader of wall time. Everything else is handed `now`."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Milliseconds UTC since 1970."""


def wall_ms() -> int:
    """Wall time in milliseconds UTC."""
    return time.time_ns() // 1_000_000
