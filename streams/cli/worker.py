"""`accountpulse worker`: the scoring role as a process."""

from __future__ import annotations

import logging
import os
import sys

from streams import worker as role
from streams.settings import Settings


def worker() -> None:
    """Score accounts from the input topics (one process of the group)."""
    code = role.run(Settings())
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)  # threads of Faust would hold the process for seconds
