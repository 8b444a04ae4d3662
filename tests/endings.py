"""Why roles end: the table of docs/operations.md, and what the tests of its rows share."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from typer.testing import CliRunner

from streams.cli.main import app

PAGE = Path(__file__).parents[1] / "docs/operations.md"
AWAY = {
    "KAFKA__BOOTSTRAP": "127.0.0.1:1",
    "KAFKA__REQUEST_TIMEOUT": "2",
    "REDIS__URL": "redis://127.0.0.1:1/0",
    "PROBES__HOST": "127.0.0.1",
    "PROBES__PORT": "0",
}
"""Settings under which nothing answers; names without prefix."""
FAULTS = {"yes": {"error", "environment"}, "note": {"note"}}


class Row(NamedTuple):
    words: str
    code: int
    check: str
    """yes, no or note: what `check` makes of it."""


def rows() -> dict[str, Row]:
    """The rows of the table by the words that a message contains."""
    lines = PAGE.read_text("utf-8").splitlines()
    start = lines.index("| message contains | exit | `check` | why | way out |")
    found = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        message, code, check, _, _ = (cell.strip() for cell in line.strip("|").split(" | "))
        found[message.strip("`")] = Row(message.strip("`"), int(code), check)
    return found


def environment(settings: dict[str, object]) -> dict[str, str]:
    """Those settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ACCOUNTPULSE_")}
    paths = {name: str(value) for name, value in settings.items() if name == "PYTHONPATH"}
    return kept | paths | {f"ACCOUNTPULSE_{k}": str(v) for k, v in settings.items() if k not in paths}


def ended(words: list[str], settings: dict[str, object], timeout: float = 60) -> tuple[int, str]:
    """Exit code and all output of a role that has to end by itself."""
    command = [sys.executable, "-m", "streams.cli.main", *words]
    done = subprocess.run(
        command, env=environment(settings), capture_output=True, text=True, timeout=timeout, check=False
    )
    return done.returncode, done.stdout + done.stderr


def assert_ends(row: Row, words: list[str], settings: dict[str, object]) -> None:
    """The role ends as the row says: with its words in one line, its code, and without a traceback."""
    code, output = ended(words, settings)
    assert [line for line in output.splitlines() if row.words in line], output
    assert code == row.code, output
    assert "\nTraceback" not in f"\n{output}", output  # Faust's own log may hold one, inside a line


def assert_checked(row: Row, settings: dict[str, object], monkeypatch) -> None:
    """`check` says the same words if the row says so, as a fault or as a note."""
    for name in [name for name in os.environ if name.startswith("ACCOUNTPULSE_")]:
        monkeypatch.delenv(name)
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    answer = CliRunner().invoke(app, ["check", "--json"])
    results = json.loads(answer.stdout)["results"]
    found = {
        r["status"] for r in results if row.words in f"{r['area']}: {r['text']}" or row.words in r["way_out"]
    }
    assert (not found & FAULTS["yes"]) if row.check == "no" else found & FAULTS[row.check], results
    assert row.check != "yes" or answer.exit_code in {1, 3}
