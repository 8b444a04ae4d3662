"""Rows of every version ever released can be read; what a version did not know is derived or unknown; newer ones are refused."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from scoring.layout import DIMENSIONS, FEATURES_SEEN, VALUE_TRACKED
from scoring.row import ROW_VERSION, RowVersionError, encode_rows, restore_rows
from scoring.state import Store
from scoring.tails import TOLD
from scoring.times import DAY
from tests.property.feeds import START

GOLDEN = Path(__file__).parents[1] / "golden"
FIRST = START // DAY


def restored(version: int) -> Store:
    """The golden rows of a version in a fresh store."""
    document = json.loads((GOLDEN / f"state_rows_v{version}.json").read_text())
    assert document["version"] == version
    store = Store()
    restore_rows(store, [(key.encode(), base64.b64decode(value)) for key, value in document["rows"]])
    return store


@pytest.mark.parametrize("version", range(1, ROW_VERSION + 1))
def test_golden_rows_are_read(version: int) -> None:
    """Bytes written once by each version give the same account, with the columns added since derived from its tail."""
    store = restored(version)
    hot = store.hot[store.index[b"acme"]]
    usage = store.rings["usage"][store.index[b"acme"]]
    assert (usage[FIRST % 128], usage[(FIRST + 3) % 128], usage.sum()) == (2500, 4000, 6500)
    assert (hot["seats"], hot["flags"] & (VALUE_TRACKED | FEATURES_SEEN)) == (
        40,
        VALUE_TRACKED | FEATURES_SEEN,
    )
    assert hot["urgent_since"] == START + DAY
    assert hot["oldest_due"] == START - 2 * DAY
    assert hot["open_complaints"] == 1
    assert (hot["detractor_ts"], hot["promoter_ts"]) == (START + 3 * DAY, START + DAY)
    assert hot["survey_trend"][0] == 25_000 - 90_000
    assert (hot["renewal"], hot["deadline"]) == (1_790_726_400_000, 1_790_726_400_000 - 30 * DAY)
    assert (hot["last_active"][0], hot["last_active"][1]) == (FIRST + 3, -1)
    assert (hot["first_value_ts"], hot["last_value_ts"]) == (START, START)
    assert hot["last_seen"].tolist() == [
        START + 3 * DAY,
        START + 4 * DAY,
        START + DAY,
        START + 3 * DAY,
        START,
        -1,
        -1,
        -1,
    ]
    assert hot["band"] == restored(ROW_VERSION).hot[store.index[b"acme"]]["band"]
    assert len(hot["last_sub"]) == len(DIMENSIONS)
    assert store.hot[store.index[b"globex"]]["ended_ts"] == START + 2 * DAY


def written_again(file: str) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
    """The rows of a golden file, and what becomes of them when they are restored and written."""
    document = json.loads((GOLDEN / file).read_text())
    rows = [(key.encode(), base64.b64decode(value)) for key, value in document["rows"]]
    store = Store()
    restore_rows(store, rows)
    return rows, encode_rows(store, np.arange(store.n))


def test_the_present_version_is_written_as_it_always_was() -> None:
    """Rows of today's version are written back byte for byte as they were read: a layout change needs a new version."""
    rows, again = written_again(f"state_rows_v{ROW_VERSION}_told.json")
    assert again == rows
    assert any(value[5:8] != bytes(3) for _, value in rows)


def test_heads_that_tell_nothing_of_the_tail_are_completed() -> None:
    """Rows of the releases that left bytes 5 to 7 of the head empty are written back byte for byte but for those three."""
    rows, again = written_again(f"state_rows_v{ROW_VERSION}.json")
    assert [(k, v[:5], v[8:]) for k, v in again] == [(k, v[:5], v[8:]) for k, v in rows]
    assert {value[5:8] for _, value in rows} == {bytes(3)}
    assert all(value[5] & TOLD for _, value in again)


def test_an_upgraded_row_stays_upgraded() -> None:
    """A row of version 1 that is written again is of today's version and reads the same."""
    store = restored(1)
    again = Store()
    pairs = encode_rows(store, np.arange(store.n))
    assert {value[0] for _, value in pairs} == {ROW_VERSION}
    restore_rows(again, pairs)
    assert again.hot[: again.n].tobytes() == store.hot[: store.n].tobytes()


def test_a_newer_row_is_refused() -> None:
    """A program that is older than the rows says so before it writes anything."""
    with pytest.raises(RowVersionError, match=f"version {ROW_VERSION + 1}.*newer release"):
        restore_rows(Store(), [(b"acme", bytes([ROW_VERSION + 1]) + bytes(4000))])
