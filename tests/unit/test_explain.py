"""`accountpulse explain`: the reasons add up, and they are those of a whole replay."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from streams.cli.main import app

EXAMPLE = Path(__file__).parents[2] / "examples/replay/two_accounts.ndjson"
COMPLAINING, LEAVING = "acct-0003", "acct-0004"


def explain(account: str, *words: str) -> Result:
    return CliRunner().invoke(app, ["explain", account, str(EXAMPLE), "--tick", "1d", *words])


def document(account: str, *words: str) -> dict[str, Any]:
    return json.loads(explain(account, *words, "--json").stdout)


@pytest.mark.parametrize("account", [COMPLAINING, LEAVING])
def test_the_score_is_that_of_a_replay_of_the_whole_file(account: str, tmp_path: Path) -> None:
    """Looking at one account alone changes no digit."""
    out = tmp_path / "scores"
    CliRunner().invoke(app, ["replay", str(EXAMPLE), "--tick", "1d", "--scores", str(out)])
    last = [line for line in map(json.loads, out.read_bytes().splitlines()) if line["account_id"] == account][
        -1
    ]
    record = document(account)["record"]
    assert (record["as_of"], record["score"], record["band"]) == (last["as_of"], last["score"], last["band"])
    assert {name: d["score"] for name, d in record["dimensions"].items()} == last["dimensions"]


def test_the_parts_sum_to_the_score_and_to_its_changes() -> None:
    """Contributions make the score, and the changes of each make the change of the score."""
    found = document(COMPLAINING)
    parts = [d["contribution"] for d in found["dimensions"].values()]
    assert sum(parts) == pytest.approx(found["record"]["score"])
    assert [change["days"] for change in found["changes"]] == [7, 28]
    for change in found["changes"]:
        assert sum(change["dimensions"].values()) == pytest.approx(change["points"])
        assert change["points"] == pytest.approx(found["record"][f"velocity_{change['days']}d"], abs=0.011)


def test_a_complaint_is_told_with_its_ticket_its_alert_and_its_events() -> None:
    """What a person needs to act: the open ticket, the alert, and the ids behind the last change."""
    found = document(COMPLAINING)
    assert found["open_tickets"] == ["T-9001: open for 4.5 days, urgent, escalated, a complaint"]
    assert [alert.split(",")[0] for alert in found["alerts"]] == [
        "no_value: firing since 2026-02-09T00:00:00Z",
        "urgent_ticket_ageing: firing since 2026-03-12T00:00:00Z",
        "complaint: T-9001",
    ]
    assert found["last_move"]["drivers"]
    assert all(driver["points"] for driver in found["last_move"]["drivers"])


def test_a_ceiling_names_the_fact_behind_it() -> None:
    """A red band over a good score is explained by the notice, not left as a riddle."""
    found = document(LEAVING)
    assert found["record"]["band"] == "red"
    assert found["record"]["score"] > 70
    assert found["band_reasons"][0].startswith("ceiling red: gave notice on 2026-03-10: at most red")


def test_at_an_earlier_time_the_notice_is_not_known() -> None:
    """`--at` explains what was known then."""
    found = document(LEAVING, "--at", "2026-03-01")
    assert found["record"]["as_of"] == "2026-03-01T00:00:00Z"
    assert found["record"]["band"] != "red"
    assert not [alert for alert in found["alerts"] if "notice" in alert or "band" in alert]


def test_missing_evidence_is_named() -> None:
    """Before the first survey the coverage is lower, and it says what is missing."""
    found = document(LEAVING, "--at", "2025-12-20")
    without = {name: d["why_missing"] for name, d in found["dimensions"].items() if d["score"] is None}
    assert (found["record"]["coverage"] < 1) == bool(without)
    assert all(without.values())


def test_the_text_names_score_band_dimensions_and_changes() -> None:
    """The plain text carries what the document does."""
    text = explain(COMPLAINING).stdout
    for part in ("score ", "coverage 73%", "usage_trend", "change over 28 days", "T-9001", "complaint: "):
        assert part in text


def test_an_unknown_account_exits_1_with_close_matches() -> None:
    """A typing error is answered with what was probably meant."""
    result = explain("acct-003")
    assert result.exit_code == 1
    assert COMPLAINING in result.stderr
