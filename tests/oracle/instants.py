"""Days, weeks and months of a time in milliseconds, as the conventions of docs/semantics.md define them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def day(time: int) -> int:
    """Days since 1970-01-01."""
    return time // DAY


def week(time: int) -> int:
    """Weeks since 1970-01-01 (a Thursday)."""
    return day(time) // 7


def month(time: int) -> int:
    """Months since January 1970."""
    date = EPOCH + timedelta(days=day(time))
    return (date.year - 1970) * 12 + date.month - 1


def ceil_tick(time: int, tick: int) -> int:
    """The first tick at or after the time."""
    return -(-time // tick) * tick


def millis(text: str) -> int:
    """`2026-01-05` or `2026-01-05T06:00` or longer, UTC, as milliseconds."""
    date = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return (date - EPOCH) // timedelta(milliseconds=1)
