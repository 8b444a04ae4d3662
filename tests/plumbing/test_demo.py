"""`accountpulse demo` as a process: it tells every story, and leaves nothing behind, however it ends."""

import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from fcntl import ioctl
from pathlib import Path

import pytest

from streams.demo.stories import STORIES

pytest.importorskip("confluent_kafka")
SMALL = ["--accounts", "12", "--days", "120", "--tick", "1d"]
DEMO = [sys.executable, "-m", "streams.cli.main", "demo"]
ENTER, LEAVE, CURSOR = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h"


@pytest.fixture(autouse=True)
def interruptible() -> None:
    """A shell's background job ignores Ctrl-C, and so would its children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def environment(directory: Path) -> dict[str, str]:
    """A temporary directory of its own, and a setting that would lead it astray."""
    return os.environ | {"TMPDIR": str(directory), "ACCOUNTPULSE_KAFKA__BOOTSTRAP": "127.0.0.1:9"}


def start(directory: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*DEMO, *SMALL, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(directory),
    )


class Terminal:
    """The demo on a pseudo terminal; `text` is what it wrote so far."""

    def __init__(self, directory: Path, term: str, *words: str) -> None:
        ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        env = environment(directory) | {"TERM": term}
        self.process = subprocess.Popen(
            [*DEMO, *SMALL, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=env
        )
        os.close(theirs)
        self.text = ""
        self._reading = threading.Thread(target=self._read, args=(ours,))
        self._reading.start()

    def _read(self, terminal: int) -> None:
        while True:
            try:
                got = os.read(terminal, 65_536)
            except OSError:  # the other side is closed
                break
            self.text += got.decode(errors="replace")
        os.close(terminal)

    def wait_for(self, words: str) -> None:
        deadline = time.monotonic() + 60
        while words not in self.text:
            assert time.monotonic() < deadline, self.text[-2000:]
            assert self.process.poll() is None, self.text[-2000:]
            time.sleep(0.05)

    def end(self, timeout: float) -> int:
        code = self.process.wait(timeout)
        self._reading.join(10)
        return code


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


def test_every_story_is_told_through_the_real_roles_and_what_it_says_to_type_next_works(
    tmp_path: Path,
) -> None:
    """Exit 0, the alerts of each story shown, no file behind; the environment is not asked. Each command runs."""
    temporary, here = tmp_path / "tmp", tmp_path / "here"
    temporary.mkdir()
    here.mkdir()
    process = start(temporary)
    output = process.communicate(timeout=110)[0]
    print(output)
    assert process.returncode == 0
    assert "NOT TOLD" not in output
    assert "UNEXPECTED" not in output
    assert all(story.title in output for story in STORIES)
    for words in ("turned red", "lost its sponsor", "has an open complaint", "is ready for more seats"):
        assert len(re.findall(words, output)) >= 2, words  # as it fires, and in the summary
    assert "nothing fired, as it should be" in output
    assert "no account was told to be silent because of it" in output
    assert "the story of Larkspur Analytics" in output
    assert "12 accounts: " in output
    assert list(temporary.iterdir()) == []
    commands = [line.strip() for line in output.partition("\nnext:\n")[2].splitlines() if "  #" not in line]
    assert len(commands) == 4
    bands = re.search(r"12 accounts: (.*)", output)
    for command in commands[:3]:
        words = shlex.split(command)
        if words[0] == "accountpulse":
            words[:1] = DEMO[:3]
        done = subprocess.run(words, cwd=here, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, (command, done.stderr)
    assert bands is not None
    counts = re.search(r"accounts: (.*)", done.stdout)
    assert counts is not None
    assert set(bands[1].split(", ")) == set(counts[1].split(", "))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_nothing_is_left(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C in the middle, twice: no process and no file stays."""
    process = start(tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if "events of" in line:
            break
    time.sleep(1)
    started = descendants(process.pid)
    assert len(started) >= 2
    process.send_signal(number)
    time.sleep(0.05)
    process.send_signal(number)
    output = process.communicate(timeout=30)[0]
    assert process.returncode == 130, output
    assert "nothing is left behind" in output
    assert gone(started)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("delay", [0.2, 0.5, 0.9, 1.6])
def test_a_signal_while_it_starts_leaves_nothing_either(delay: float, tmp_path: Path) -> None:
    """Whatever is being started at that moment is started to the end, and then ended."""
    process = start(tmp_path)
    assert process.stdout is not None
    process.stdout.readline()  # starting ...
    time.sleep(delay)
    started = descendants(process.pid)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 130, output
    assert gone(started)
    assert list(tmp_path.iterdir()) == []


def test_on_a_terminal_it_is_a_view_that_gives_the_screen_back_when_interrupted(tmp_path: Path) -> None:
    """The alternate screen is entered, drawn on and left, the cursor is back, nothing is left."""
    terminal = Terminal(tmp_path, "xterm-256color")
    terminal.wait_for("at risk by MRR")
    terminal.wait_for("stream time")
    started = descendants(terminal.process.pid)
    assert ENTER in terminal.text
    assert LEAVE not in terminal.text
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end(30) == 130
    assert terminal.text.rindex(LEAVE) > terminal.text.rindex(ENTER)
    assert CURSOR in terminal.text[terminal.text.rindex(ENTER) :]
    assert gone(started)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("term", "words"), [("dumb", ()), ("xterm-256color", ("--plain",))])
def test_without_a_terminal_that_can_show_it_there_are_plain_lines(
    term: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    """TERM=dumb and --plain get lines, and not one control sequence that moves the cursor."""
    terminal = Terminal(tmp_path, term, *words)
    terminal.wait_for("lost its sponsor")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end(30) == 130
    assert re.search(r"\x1b\[[0-9;?]*[A-HJKfhl]", terminal.text) is None


def test_the_events_of_a_fleet_without_a_story_can_be_replayed_without_its_alert(tmp_path: Path) -> None:
    """`--without` takes the story out, `--events` gives the fleet as a file."""
    path = tmp_path / "fleet.ndjson.gz"
    commands = (
        ["demo", *SMALL, "--without", "churn_notice", "--events", str(path)],
        ["replay", str(path), "--tick", "1d"],
    )
    for words in commands:
        done = subprocess.run(
            [*DEMO[:3], *words], capture_output=True, text=True, check=True, timeout=60, env=os.environ | {"COLUMNS": "500"},
        )  # fmt: skip
    assert "2 band_entered firing" in done.stdout
    assert "1 sponsor_departed firing" in done.stdout
    assert "churn_notice" not in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--without", "nonsense"], "slow_fade"),
        (["--end", "2026-01-01"], "--events"),
        (["--days", "60"], "days"),
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], said: str) -> None:
    """Exit 2, saying what would."""
    done = subprocess.run(
        [*DEMO, *words], capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "200"}
    )
    assert done.returncode == 2
    assert said in done.stderr
