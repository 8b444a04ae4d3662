"""One heap of the C library for all threads of the process.

glibc gives threads heaps of their own. Records are read by one thread and let go of by another, so each heap grew
to its own peak, in pieces that the others could not use (docs/adr/0036-what-memory-holds-under-load.md).
"""

from __future__ import annotations

import ctypes
from typing import Final

_M_ARENA_MAX: Final = -8
"""From glibc's malloc.h."""


def share_one() -> bool:
    """Let threads that start from now on share the heap; False where the C library has no such choice."""
    choose = getattr(ctypes.CDLL(None), "mallopt", None)
    return choose is not None and choose(_M_ARENA_MAX, 1) == 1
