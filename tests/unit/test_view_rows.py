"""What the view keeps of a score record: fields, and places in the indexes."""

import msgspec
import pytest

from scoring.record import ScoreRecord
from scoring.times import parse
from streams.view_rows import Row, facet, is_set, row_of

AS_OF = "2026-05-01T06:00:00Z"


def row(**fields: object) -> Row:
    common = {
        "account_id": "a-1", "as_of": AS_OF, "score": 41.5, "band": "amber", "model": "m", "version": 3,
        "coverage": 1.0, "tier": "low_touch",
    }  # fmt: skip
    return row_of(msgspec.json.encode(common | fields))


def test_a_record_of_the_worker_is_a_row() -> None:
    """What the worker encodes, defaults left out, is read; the bytes are kept as they came."""
    record = ScoreRecord(
        account_id="a-1", as_of=AS_OF, score=None, band="insufficient_data", model="m", version=1, coverage=0.0,
        tier="high_touch",
    )  # fmt: skip
    raw = msgspec.json.encode(record)
    assert row_of(raw).record == raw
    assert row_of(raw).fields == {
        "version": 1, "as_of": AS_OF, "band": "insufficient_data", "tier": "high_touch",
    }  # fmt: skip


def test_places_follow_the_record() -> None:
    """A place per band, tier, owner and segment, and a rank per order."""
    attributes = {"owner": "ann", "segment": "smb", "currency": "eur"}
    found = row(mrr=20_000, mrr_at_risk=11_700, urgency=2.5, attributes=attributes)
    assert found.indexes == {
        "by:score": 41.5,
        "by:changed": parse(AS_OF),
        "by:mrr_at_risk:EUR": 11_700,
        "by:urgency:EUR": 29_250,
        "in:band:amber": 0,
        "in:tier:low_touch": 0,
        "in:owner:ann": 0,
        "in:segment:smb": 0,
    }
    assert [name for name in found.indexes if is_set(name)] == [
        facet("band", "amber"), facet("tier", "low_touch"), facet("owner", "ann"), facet("segment", "smb"),
    ]  # fmt: skip


def test_unknowns_are_not_ranked_and_no_score_comes_last() -> None:
    """Without MRR there is no rank by money; without a score an account stands behind all that have one."""
    found = row(score=None)
    assert found.indexes["by:score"] == float("inf")
    assert not [name for name in found.indexes if name.startswith(("by:mrr", "by:urgency", "in:owner"))]


def test_urgency_counts_one_where_it_is_not_told() -> None:
    """An account without a deadline is ranked by its MRR at risk alone, not left out."""
    assert row(mrr_at_risk=500).indexes["by:urgency:-"] == 500


def test_an_ended_account_is_in_the_index_of_the_ended_alone() -> None:
    """It is in no list of accounts that somebody may still act on."""
    assert row(ended=True, band="ended", score=None, mrr=5, attributes={"owner": "ann"}).indexes == {
        "by:ended": parse(AS_OF)
    }


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"account_id": "a"}', b'{"account_id": 1, "as_of": "x"}', b"\xff"]
)
def test_what_is_no_record_is_refused(raw: bytes) -> None:
    """Other JSON, other shapes and other bytes raise one error."""
    with pytest.raises(msgspec.DecodeError):
        row_of(raw)
