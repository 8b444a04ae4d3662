"""The rules as a whole: each is where one looks for it, has words for everything, and is on the generated page."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alerts import wording
from alerts.model import Kind
from alerts.rules.base import Described
from alerts.rules.catalogue import all_rules, fact_rules, level_rules, tick_fact_rules
from scoring.model import Model, default_model
from scoring.rule_options import Rules
from streams.cli.main import app
from streams.cli.output import ExitCode

ROOT = Path(__file__).parents[2]
RULES = {rule.name: rule for rule in all_rules(default_model())}
PAGE = (ROOT / "docs/rules.md").read_text("utf-8")
run = CliRunner().invoke


def option_of(rule: str) -> str:
    """The entry of the model that switches a rule on: silence has one for both of its rules."""
    return "silence" if rule.startswith("silence_") else rule


def test_every_option_switches_rules_on():
    """The default model switches every rule on, by the name under which it is told; names are unique."""
    assert {option_of(name) for name in RULES} == set(Rules.model_fields)
    assert len(all_rules(default_model())) == len(RULES) == len(Rules.model_fields) + 1


def test_nothing_is_on_by_itself():
    """A model that names no rules has none, and one that names one has that one."""
    bare = default_model().model_dump(exclude_unset=True) | {"rules": {}}
    assert all_rules(Model.model_validate(bare)) == []
    only = Model.model_validate(bare | {"rules": {"detractor": {"days": 7, "severity": "info"}}})
    [rule] = level_rules(only)
    assert (rule.name, rule.severity, rule.hold_ms) == ("detractor", "info", 0)
    assert fact_rules(only) == tick_fact_rules(only) == []


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_file_of_its_own(rule: Described):
    """A rule stands in the module of its name, and its docstring says where its numbers come from."""
    assert type(rule).__module__ == f"alerts.rules.{option_of(rule.name)}"
    source = r"[Pp]ractitioner|[Pp]ublished|our own|The Ten Laws|vendor's study|no default|often quoted"
    assert re.search(source, inspect.getdoc(type(rule)) or "")


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_words(rule: Described):
    """A rule says when it fires, what it shows and what to do, names only options it has, and has words for messages."""
    assert min(map(len, (rule.when, rule.shows, rule.play))) > 10
    assert set(re.findall(r"`(\w+)`", rule.when)) <= set(type(rule.options).model_fields)
    assert wording._RULES[rule.name][0] != wording._RULES[rule.name][1]


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_severity(rule: Described):
    """A rule whose severity a model leaves out has the one of docs/rules.md."""
    assert type(rule.options).model_fields["severity"].default == rule.severity


def test_page():
    """docs/rules.md is what `accountpulse rules --markdown` prints, with a row and a reason for every rule."""
    printed = run(app, ["rules", "--markdown"])
    assert printed.exit_code == 0
    assert printed.stdout == PAGE
    rows = [line.split("|")[1].strip() for line in PAGE.splitlines() if line.startswith("| `")]
    reasons = re.findall(r"^- \*\*(\w+)\*\*: .{40,}", PAGE, re.MULTILINE)
    assert rows == [f"`{name}`" for name in RULES]
    assert reasons == list(RULES)


def test_command(tmp_path):
    """`rules` prints every rule for people and as JSON, those of a given model if one is named, and refuses a broken one."""
    shown = run(app, ["rules"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert [name for name in RULES if name not in shown.stdout] == []
    listed = json.loads(run(app, ["rules", "--json"]).stdout)
    assert [line["rule"] for line in listed] == list(RULES)
    assert {line["kind"] for line in listed} == set(Kind)
    mine = tmp_path / "model.yaml"
    mine.write_text("name: mine\ndimensions: {}\nrules: {no_value: {days: 9}}\n", "utf-8")
    [line] = json.loads(run(app, ["rules", "--json", "--model", str(mine)]).stdout)
    assert (line["rule"], line["options"]) == ("no_value", {"days": 9})
    mine.write_text("name: mine\ndimensions: {}\nrules: {no_such_rule: {}}\n", "utf-8")
    broken = run(app, ["rules", "--model", str(mine)])
    assert broken.exit_code == ExitCode.ENVIRONMENT
    assert "no_such_rule" in broken.stderr
