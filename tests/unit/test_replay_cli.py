"""`accountpulse replay`: every line is accounted for, and what is written has the documented form."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from streams.cli.main import app

EXAMPLE = Path(__file__).parents[2] / "examples/replay/two_accounts.ndjson"
NOW = "2026-04-01T00:00:00Z"


def replay(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["replay", "--tick", "1d", "--now", NOW, *map(str, words)])


def summary(*words: str | Path) -> dict[str, Any]:
    return json.loads(replay(*words, "--json").stdout)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def event(**fields: object) -> str:
    common = {"type": "usage", "event_id": "e1", "account_id": "a", "ts": "2026-01-05T10:00:00Z"}
    return json.dumps(common | fields)


def test_every_line_is_counted_once_by_source_and_fate() -> None:
    """Read is the sum of the fates per source, and the sources make up the file."""
    found = summary(EXAMPLE)
    assert (
        found["read"]
        == len(EXAMPLE.read_bytes().splitlines())
        == sum(s["read"] for s in found["sources"].values())
    )
    for source in found["sources"].values():
        assert source["read"] == sum(count for fate, count in source.items() if fate != "read")
    assert found["bands"] == {"green": 1, "red": 1}
    assert found["alerts"] == {
        "advocate firing": 2, "advocate resolved": 2, "band_entered firing": 1, "churn_notice firing": 1,
        "complaint firing": 1, "no_value firing": 3, "upsell firing": 2, "upsell resolved": 2,
        "urgent_ticket_ageing firing": 1,
    }  # fmt: skip


def test_a_file_told_twice_changes_nothing(tmp_path: Path) -> None:
    """The second telling of every event is a duplicate: same scores to the last digit."""
    twice = tmp_path / "twice.ndjson.gz"
    told = EXAMPLE.read_bytes().splitlines(keepends=True)
    twice.write_bytes(gzip.compress(b"".join(line for line in told for _ in range(2))))
    once_scores, twice_scores = tmp_path / "1", tmp_path / "2"
    once, both = summary(EXAMPLE, "--scores", once_scores), summary(twice, "--scores", twice_scores)
    assert sum(s["duplicate"] for s in both["sources"].values()) == once["read"]
    assert once_scores.read_bytes() == twice_scores.read_bytes()


def test_scores_are_written_per_account_and_step(tmp_path: Path) -> None:
    """One line per account at every multiple of `--every`, in the form of the design."""
    replay(EXAMPLE, "--scores", tmp_path / "s", "--every", "7d", "--alerts", tmp_path / "a")
    scores = lines(tmp_path / "s")
    assert len({(s["account_id"], s["as_of"]) for s in scores}) == len(scores) > 20
    assert {s["as_of"][11:] for s in scores} == {"00:00:00Z"}
    assert scores[0].keys() == {"account_id", "as_of", "score", "band", "coverage", "dimensions", "model"}
    assert [(a["rule"], a["phase"]) for a in lines(tmp_path / "a")][-6:] == [
        ("band_entered", "firing"),
        ("no_value", "firing"),  # again, as the band changed
        ("upsell", "resolved"),
        ("urgent_ticket_ageing", "firing"),
        ("complaint", "firing"),
        ("upsell", "resolved"),
    ]


def test_until_ends_the_replay_where_a_shorter_file_would() -> None:
    """No tick runs after `--until`, and later events are left out."""
    found = summary(EXAMPLE, "--until", "2026-02-01")
    assert found["last_tick"] == "2026-02-01T00:00:00Z"
    assert found["read"] < summary(EXAMPLE)["read"]
    assert found["alerts"] == {"advocate firing": 2, "advocate resolved": 1, "upsell firing": 2}


def test_rejected_lines_are_told_with_place_and_reason(tmp_path: Path) -> None:
    """A bad line is reported by its number, exits 1, and holds up nothing behind it."""
    path = tmp_path / "mixed.ndjson"
    bad = [
        "",
        "{not json",
        event(ts="yesterday at noon, about"),
        event(event_id="e2", ts="2099-01-01T00:00:00Z"),
        event(account_id=None), event(type="nonsense"),
    ]  # fmt: skip
    path.write_text("\n".join([event(), *bad, event(event_id="e9", ts="2026-01-06T10:00:00Z")]))
    result = replay(path, "--json", "--dead", tmp_path / "dead")
    dead = {(d["line"], d["reason"]) for d in lines(tmp_path / "dead")}
    assert result.exit_code == 1
    assert dead == {
        (3, "malformed"), (4, "bad_timestamp"), (5, "future"), (6, "missing_key"), (7, "unknown_type"),
    }  # fmt: skip
    found = json.loads(result.stdout)
    assert found["sources"]["usage"]["applied"] == 2
    assert found["sources"]["usage"]["read"] == found["read"] == 7
    assert found["last_tick"] == "2026-01-07T00:00:00Z"
    assert f"{path}:3: malformed" in replay(path).stderr


def test_disorder_within_an_hour_is_put_right(tmp_path: Path) -> None:
    """Lines may be an hour out of order: the scores are those of the sorted file."""
    told = [event(event_id=f"e{n}", ts=f"2026-01-0{1 + n // 24}T{n % 24:02}:30:00Z") for n in range(96)]
    swapped = [line for pair in zip(told[1::2], told[::2], strict=True) for line in pair]
    outputs = []
    for number, content in enumerate((told, swapped)):
        (tmp_path / f"in{number}").write_text("\n".join(content))
        replay(
            tmp_path / f"in{number}", "--tick", "1h", "--every", "1h", "--scores", tmp_path / f"out{number}"
        )
        outputs.append((tmp_path / f"out{number}").read_bytes())
    assert outputs[0] == outputs[1] != b""


@pytest.mark.parametrize(
    "words",
    [
        ["--tick", "7m"],
        ["--tick", "2d"],
        ["--every", "1h"],
        ["--until", "soon"],
        ["--model", "no-such.yaml"],
        ["nowhere.ndjson"],
    ],
)
def test_wrong_usage_is_refused_before_anything_is_read(words: list[str]) -> None:
    """Exit 2 with the option that is wrong."""
    result = CliRunner().invoke(app, ["replay", str(EXAMPLE), "--tick", "1d", *words])
    assert result.exit_code == 2
