"""Timestamps: one meaning, whether read one at a time, as a column, or by datetime."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.times import UNSET, iso, month_of, parse, parse_column

MANY = 20
"""Texts are read as one matrix only if there are enough of them."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
shapes = st.sampled_from(["seconds", "milliseconds", "microseconds"])


def milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


@given(moments=st.lists(moments, max_size=8), shape=shapes, mixed=st.booleans())
def test_column_equals_single_equals_datetime(moments, shape, mixed):
    """A column of times, each of them alone, and datetime agree to the millisecond, whatever shapes are mixed."""
    texts = [m.isoformat(timespec=shape).replace("+00:00", "Z") for m in moments]
    if mixed and texts:
        texts[0] = moments[0].isoformat()
    expected = [milliseconds(datetime.fromisoformat(t)) for t in texts]
    assert parse_column(texts).tolist() == [parse(t) for t in texts] == expected
    assert parse_column(texts * MANY).tolist() == expected * MANY


@given(
    text=st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?Z", fullmatch=True)
)
def test_impossible_dates(text):
    """Text of the right shape but with impossible digits reads as a column the way it reads alone."""
    assert parse_column([text] * MANY).tolist() == [parse(text)] * MANY


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2025-01-01 00:00:00Z", "2025-01-01T00:00:60Z", "2025-01-01T00:0:00.Z", "2025-01-01", "2025-01-01T00:00:00", "2025-02-29T00:00:00Z", "2025-01-01T24:30:00Z", "1969-12-31T23:59:59Z",
     "2025-13-01T00:00:00Z", "２025-01-01T00:00:00Z", "2025-01-01T00:00:00z0"],
)  # fmt: skip
def test_no_time(text):
    """What is no RFC 3339 time with offset since 1970 is UNSET, alone and in a column."""
    assert parse(text) == UNSET
    assert parse_column([text]).tolist() == [UNSET]
    assert parse_column([text] * MANY).tolist() == [UNSET] * MANY


def test_offsets_and_digits():
    """Offsets are applied and digits below a millisecond are cut off, not rounded."""
    assert parse("2025-01-01T01:30:00.999999+01:30") == parse("2025-01-01T00:00:00Z") + 999
    assert parse("1970-01-01T00:00:00Z") == 0


@given(moment=moments)
def test_iso_and_months(moment):
    """Printing a time and reading it gives it back; months count from January 1970."""
    ms = milliseconds(moment)
    assert parse(iso(ms)) == ms
    assert month_of(ms) == (moment.year - 1970) * 12 + moment.month - 1
