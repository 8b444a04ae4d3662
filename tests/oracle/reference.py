"""The reference of docs/semantics.md: `run` tells a log of one partition, record by record and tick by tick.

It is written from that page alone and shares no arithmetic with the engine: obvious, slow, in integers.
"""

from __future__ import annotations

from tests.oracle.reading import LogRecord
from tests.oracle.run import Outcome, TickLine, run

__all__ = ["LogRecord", "Outcome", "TickLine", "run"]
