"""RFC 3339 text to milliseconds UTC, a whole column at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
UNSET: Final = -1
"""A time that is not known."""

Int64 = NDArray[np.int64]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})",
    re.IGNORECASE,
)
_LAYOUT = b"0000-00-00T00:00:00"
_FEW: Final = 16
"""Texts up to which one by one is quicker."""
_SEPARATORS = [i for i, c in enumerate(_LAYOUT) if c != ord("0")]
_DIGITS = [i for i, c in enumerate(_LAYOUT) if c == ord("0")]
_TIME_DIGITS = [11, 12, 14, 15, 17, 18, 20, 21, 22]
_TIME_MARKS = [13, 16, 19]
_TIME_LIMITS = np.array([2, 9, 5, 9, 5, 9, 9, 9, 9], np.uint8)
_TIME_UNITS = np.array([36_000_000, HOUR, 600_000, 60_000, 10_000, 1000, 100, 10, 1])
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


@lru_cache(maxsize=8192)
def parse(text: str) -> int:
    """One timestamp in milliseconds, sub-millisecond digits cut off.

    UNSET if it is no RFC 3339 time with offset at or after 1970.
    """
    if _RFC3339.fullmatch(text) is None:  # ISO 8601 knows more: weeks, commas, basic format
        return UNSET
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return UNSET
    return max((moment - _EPOCH) // _MILLISECOND, UNSET)


@lru_cache(maxsize=4096)
def day_start(text: str) -> int:
    """Midnight UTC of a text that begins with a date (YYYY-MM-DD); UNSET if it does not, or before 1970."""
    return parse(text[:10] + "T00:00:00Z")


def parse_column(texts: Sequence[str]) -> Int64:
    """Like `parse` for each text.

    The shape that nearly all producers send (UTC, `Z`, whole or milliseconds) is read as one matrix.
    """
    length = len(texts[0]) if texts else 0
    if len(texts) > _FEW and length in (20, 24) and texts[0][-1] == "Z" and set(map(len, texts)) == {length}:
        try:
            raw = "".join(texts).encode("ascii")
        except UnicodeEncodeError:
            raw = b""
        if len(raw) == length * len(texts):
            matrix = np.frombuffer(raw, np.uint8).reshape(-1, length)
            of_one_day = _parse_day(matrix, texts[0])
            return _parse_matrix(matrix, texts) if of_one_day is None else of_one_day
    return np.array([parse(t) for t in texts], np.int64)


def _parse_day(raw: NDArray[np.uint8], first: str) -> Int64 | None:
    """Times that all lie on the day of the first; None if they do not, or any is wrong."""
    midnight = day_start(first)
    clock = raw[:, _TIME_DIGITS if raw.shape[1] == 24 else _TIME_DIGITS[:6]] - np.uint8(48)
    marks = _TIME_MARKS if raw.shape[1] == 24 else _TIME_MARKS[:2]
    if (
        midnight == UNSET
        or first[10] != "T"
        or (raw[:, :11] != raw[0, :11]).any()
        or (clock > _TIME_LIMITS[: clock.shape[1]]).any()
        or (raw[:, marks] != np.frombuffer(b"::.", np.uint8)[: len(marks)]).any()
        or (raw[:, -1] != ord("Z")).any()
    ):
        return None
    ms = clock @ _TIME_UNITS[: clock.shape[1]]
    return None if (ms >= DAY).any() else midnight + ms


def _parse_matrix(raw: NDArray[np.uint8], texts: Sequence[str]) -> Int64:
    digit = (raw - np.uint8(48)).astype(np.int32)
    at = _DIGITS if raw.shape[1] == 20 else [*_DIGITS, 20, 21, 22]
    good = (digit[:, at] <= 9).all(axis=1) & (raw[:, -1] == ord("Z"))
    for i in _SEPARATORS:
        good &= raw[:, i] == _LAYOUT[i]
    if raw.shape[1] == 24:
        good &= raw[:, 19] == ord(".")

    def two(i: int) -> NDArray[np.int32]:
        return digit[:, i] * 10 + digit[:, i + 1]

    year, month, day = two(0) * 100 + two(2), two(5), two(8)
    hour, minute, second = two(11), two(14), two(17)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    good &= (
        (year >= 1970)
        & (month >= 1)
        & (month <= 12)
        & (hour <= 23)
        & (minute <= 59)
        & (second <= 59)
        & (day >= 1)
    )
    month_days = _MONTH_DAYS[np.where(good, month, 0)] + (leap & (month == 2))
    good &= day <= month_days
    ms = _days_from_civil(year, month, day) * DAY + hour * HOUR + minute * 60_000 + second * 1000
    if raw.shape[1] == 24:
        ms += digit[:, 20] * 100 + digit[:, 21] * 10 + digit[:, 22]
    for i in np.flatnonzero(~good).tolist():
        ms[i] = parse(texts[i])
    return ms


def _days_from_civil(year: NDArray[np.int32], month: NDArray[np.int32], day: NDArray[np.int32]) -> Int64:
    """Days since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms")."""
    y = (year - (month <= 2)).astype(np.int64)
    era = y // 400
    year_of_era = y - era * 400
    day_of_year = (153 * (month + np.where(month > 2, -3, 9)) + 2) // 5 + day - 1
    days: Int64 = era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return days - 719_468


@lru_cache(maxsize=1024)
def month_of_day(day: int) -> int:
    """Months since January 1970 of a day number."""
    date = _EPOCH + timedelta(days=day)
    return (date.year - 1970) * 12 + date.month - 1


def month_of(ms: int) -> int:
    """Months since January 1970 of a time."""
    return month_of_day(ms // DAY)


@lru_cache(maxsize=4096)
def iso(ms: int) -> str:
    """A time as RFC 3339 in UTC, milliseconds only where they are not zero."""
    minutes, rest = divmod(ms, 60_000)
    days, minute = divmod(minutes, 1440)
    second, fraction = divmod(rest, 1000)
    return f"{_day(days)}{_MINUTES[minute]}{_SECONDS[second]}{_FRACTIONS[fraction]}"


def iso_column(times: Int64) -> list[str]:
    """Like `iso` for each time of a column from 1970 on; what lies before is some text."""
    minutes, rests = np.divmod(times, 60_000)
    days, minutes = np.divmod(minutes, 1440)
    seconds, fractions = np.divmod(rests, 1000)
    parts = zip(
        map(_day, days.tolist()),
        map(_MINUTES.__getitem__, minutes.tolist()),
        map(_SECONDS.__getitem__, seconds.tolist()),
        map(_FRACTIONS.__getitem__, fractions.tolist()),
        strict=True,
    )
    return list(map("".join, parts))


_MINUTES: Final = [f"{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440)]
_SECONDS: Final = [f"{second:02d}" for second in range(60)]
_FRACTIONS: Final = ["Z", *[f".{ms:03d}Z" for ms in range(1, 1000)]]


@lru_cache(maxsize=4096)
def _day(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).isoformat()[:11]
