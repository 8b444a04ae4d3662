"""`accountpulse demo` as a process: it tells every story, and leaves nothing behind, however it ends."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka")
SMALL = ["--accounts", "12", "--days", "100", "--tick", "1d"]


def start(directory: Path, *words: str) -> subprocess.Popen[str]:
    """The demo with a temporary directory of its own, and a setting that would lead it astray."""
    return subprocess.Popen(
        [sys.executable, "-m", "streams.cli.main", "demo", *SMALL, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TMPDIR": str(directory), "ACCOUNTPULSE_KAFKA__BOOTSTRAP": "127.0.0.1:9"},
        # A shell's background job ignores SIGINT, and would hand that down to the demo.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def descendants(pid: int) -> set[int]:
    """All processes under a process, by the kernel's own list."""
    found: set[int] = set()
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            found |= {child} | descendants(child)
    return found


def gone(pids: set[int]) -> bool:
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_every_story_is_told_through_the_real_roles_and_nothing_is_left(tmp_path: Path) -> None:
    """Exit 0, each planted alert shown, no file behind; the environment is not asked."""
    process = start(tmp_path)
    output = process.communicate(timeout=100)[0]
    print(output)
    assert process.returncode == 0
    for rule, count in (
        ("turned red", 3),
        ("has an open complaint", 1),
        ("nothing fired, as it should be", 1),
    ):
        assert len(re.findall(rule, output)) == count
    assert "12 accounts: " in output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_nothing_is_left(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C in the middle: no process and no file stays."""
    process = start(tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if "events of" in line:
            break
    time.sleep(1)
    started = descendants(process.pid)
    assert len(started) >= 2
    process.send_signal(number)
    output = process.communicate(timeout=30)[0]
    assert process.returncode == 130, output
    assert "nothing is left behind" in output
    assert gone(started)
    assert list(tmp_path.iterdir()) == []


def test_the_events_of_a_fleet_without_a_story_can_be_replayed_without_its_alert(tmp_path: Path) -> None:
    """`--without` takes the story out, `--events` gives the fleet as a file."""
    path = tmp_path / "fleet.ndjson.gz"
    commands = (
        ["demo", *SMALL, "--without", "churn_notice", "--events", str(path)],
        ["replay", str(path), "--tick", "1d"],
    )
    for words in commands:
        done = subprocess.run(
            [sys.executable, "-m", "streams.cli.main", *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    assert "2 band_entered firing" in done.stdout
    assert "1 complaint firing" in done.stdout


def test_an_unknown_story_is_refused() -> None:
    """Exit 2, naming the stories there are."""
    words = [sys.executable, "-m", "streams.cli.main", "demo", "--without", "nonsense"]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "200"}
    )
    assert done.returncode == 2
    assert "slow_fade" in done.stderr
