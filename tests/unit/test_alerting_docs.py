"""docs/alerting.md says what the code does."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alerts.matchers import LABELS
from streams.cli.alerts import alerts as command
from streams.metrics import PREFIX
from streams.notifier_metrics import FATES, METRICS
from tests.alert_states import drawn, table

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/alerting.md").read_text("utf-8")


def first_cells(header: str) -> list[str]:
    """The first cells of the table whose header begins with that cell."""
    rows = PAGE.split(f"| {header} |", 1)[1].split("\n\n")[0].splitlines()[2:]
    return [row.strip("|").split("|")[0].strip() for row in rows]


def test_commands(monkeypatch):
    """The commands of the page run, and print what it shows."""
    monkeypatch.chdir(ROOT)
    block = PAGE.split("```console\n")[1].split("```")[0]
    shown = re.split(r"^\$ accountpulse ", block, flags=re.MULTILINE)[1:]
    for call in shown:
        line, _, output = call.partition("\n")
        done = CliRunner().invoke(command, shlex.split(line)[1:])
        assert done.exit_code == 0
        assert not output or done.output == output
    assert len(shown) == 2


def test_states():
    """The table of states is the one that the machine draws."""
    assert drawn(PAGE) == table(), "run `python -m tests.alert_states`"


def test_metrics():
    """The table of metrics is the list of the code."""
    rows = [row for row in PAGE.splitlines() if row.startswith(f"| `{PREFIX}")]
    told = [f"| `{PREFIX}{m.name}` | {m.kind.value} | {', '.join(m.labels)} | {m.help} |" for m in METRICS]
    assert rows == told


def test_fates():
    """Every fate is in the table."""
    assert set(re.findall(r"`(\w+)`", " ".join(first_cells("fate")))) == set(FATES)


@pytest.mark.parametrize("label", LABELS)
def test_labels(label):
    """Every label is named."""
    assert f"`{label}`" in PAGE.split("- Labels:")[1].split("\n- ")[0]
