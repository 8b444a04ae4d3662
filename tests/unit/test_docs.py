"""The documentation says what the program does: links, numbers, names of tests, settings; commands: `test_documented_commands.py`."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from pydantic import BaseModel

from scoring.times import HOUR, parse
from streams.replay import Replay, read_lines
from streams.settings import Settings
from tests.property.feeds import context

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SCORING = (ROOT / "docs/scoring.md").read_text("utf-8")


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


def table(page: str, first: str) -> list[list[str]]:
    """The rows of the table whose header begins with that cell."""
    lines = page.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_links(page):
    """Every link to a file of the repository leads somewhere."""
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [t for t in targets if "://" not in t and not (page.parent / t).exists()] == []


@pytest.mark.parametrize("example", sorted(ROOT.glob("examples/*")), ids=names)
def test_examples_are_found(example):
    """Some page links to every example, or to its folder or something in it."""
    targets = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
        if "://" not in target
    }
    assert any(target.is_relative_to(example) for target in targets)


@pytest.fixture(scope="module")
def acme(tmp_path_factory) -> dict:
    """The score record of the account that docs/scoring.md follows by hand."""
    [block] = re.findall(r"```json\n(.*?)```", SCORING, re.DOTALL)
    file = tmp_path_factory.mktemp("docs") / "acme.ndjson"
    file.write_text(block, "utf-8")
    replay = Replay(context(tick=8 * HOUR), parse("2026-01-01T00:00:00Z"))
    [as_of] = re.findall(r"At the tick \*\*(\S+)\*\*", SCORING)
    replay.run(read_lines([str(file)]), until=parse(as_of))
    [record] = [msgspec.json.decode(value) for rows in replay.partition.score_blocks() for _, value in rows]
    assert (record["as_of"], replay.dead) == (as_of, [])
    return record


def test_signals_by_hand(acme):
    """Every signal of the worked example has the weight of the default model and the sub-score the engine gives."""
    model = context().scorer.model
    weights = {name: s.weight for d in model.dimensions.values() for name, s in d.signals.items()}
    told = {row[0]: (int(row[3]), float(row[4])) for row in table(SCORING, "signal")}
    engine = {
        name: (weights[name], score)
        for d in acme["dimensions"].values()
        for name, score in d["signals"].items()
    }
    assert told == engine


def test_score_by_hand(acme):
    """Dimensions, contributions, score, coverage and band of the worked example are those of the engine, and the parts sum to the score."""
    told = {row[0]: (int(row[1]), float(row[2]), float(row[3])) for row in table(SCORING, "dimension")}
    assert told == {
        name: (d["weight"], d["score"], d["contribution"]) for name, d in acme["dimensions"].items()
    }
    assert sum(round(points * 1000) for _, _, points in told.values()) == round(acme["score"] * 1000)
    assert re.findall(r"score \*\*([\d.]+)\*\*: band \*\*(\w+)\*\*", SCORING) == [
        (f"{acme['score']:.3f}", acme["band"])
    ]
    assert re.findall(r"coverage is \*\*([\d.]+)\*\*", SCORING) == [f"{acme['coverage']:.3f}"]
    assert f"red until {acme['since']}" in SCORING


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_named_files_and_tests_exist(page):
    """A test or source file that a page names exists, and so does the test function behind `::`."""
    named = re.findall(
        r"`((?:tests|scoring|alerts|streams|examples|docs)/[\w/.-]+\.\w+)(?:::(\w+))?`",
        page.read_text("utf-8"),
    )
    for file, function in named:
        assert (ROOT / file).is_file(), file
        assert not function or f"def {function}(" in (ROOT / file).read_text("utf-8"), f"{file}::{function}"


def setting_names(fields: dict, prefix: str = "ACCOUNTPULSE_") -> set[str]:
    """Every environment variable of a settings class; a secret may also be a file."""
    out = set()
    for name, field in fields.items():
        path = prefix + name.upper()
        out |= {path, f"{path}_FILE"} if "SecretStr" in str(field.annotation) else {path}
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, BaseModel):
                out |= setting_names(part.model_fields, f"{path}__")
    return out


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_settings(page):
    """Every ACCOUNTPULSE_* setting that a page names is one."""
    known = setting_names(Settings.model_fields) | {"ACCOUNTPULSE_CONFIG", "ACCOUNTPULSE_REQUIRE_SERVERS"}
    named = set(re.findall(r"ACCOUNTPULSE_[A-Z_]*[A-Z]", page.read_text("utf-8")))
    assert named - known - {name for name in named if name.startswith("ACCOUNTPULSE_TEST_")} == set()


def test_decisions_are_numbered():
    """No two decision records share a number, and each has context, decision and consequences."""
    records = sorted(path for path in (ROOT / "docs/adr").glob("*.md"))
    numbers = [int(path.name[:4]) for path in records]
    assert len(set(numbers)) == len(numbers) > 0
    for path in records:
        text = path.read_text("utf-8")
        assert [h for h in ("## Context", "## Decision", "## Consequences") if h not in text] == [], path.name
