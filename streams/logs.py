"""Logging: structlog for our own lines and those of libraries, one stream, JSON or console.

Faust, mode and aiokafka are held at WARNING, below which they would build a log record per message. A line of
theirs that repeats, as dozens a second do while a broker is away, is written once in a while, with the number
left out.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any, Final

import structlog

from streams.settings import Settings

_LIBRARIES: Final = ("faust", "mode", "aiokafka", "asyncio", "httpx", "kafka")
_WINDOW_S: Final = 10.0
_MAX_LINES: Final = 1_000


class RepeatFilter(logging.Filter):
    """Lets the first of equal lines (same logger, same message template) through, then one every 10 s."""

    def __init__(self, window: float = _WINDOW_S) -> None:
        """`window` in seconds."""
        super().__init__()
        self._window = window
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write the line; one that stands for others says for how many."""
        if record.levelno < logging.WARNING or not isinstance(record.msg, str):
            return True  # lines of our own carry a dictionary
        key, now = (record.name, record.msg), time.monotonic()
        since, left_out = self._seen.get(key, (-self._window, 0))
        if now - since < self._window:
            self._seen[key] = (since, left_out + 1)
            return False
        if len(self._seen) >= _MAX_LINES:
            self._seen.clear()
        self._seen[key] = (now, 0)
        record.left_out = left_out
        return True


def _add_left_out(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:  # noqa: ANN401
    record = event.get("_record")
    left_out = getattr(record, "left_out", 0)
    if left_out:
        event["left_out"] = left_out
    return event


def configure(settings: Settings) -> None:
    """Set up logging of this process; to stderr, as stdout belongs to the command's output."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if settings.log_format == "json"
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[_add_left_out, structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    handler.addFilter(RepeatFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
