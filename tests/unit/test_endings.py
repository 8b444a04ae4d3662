"""Why roles end before they have asked a server, row by row of docs/operations.md."""

import asyncio
import os
import socket
import time
from pathlib import Path

import pytest

from streams.app import StuckError, create_worker
from streams.brake import TooManyDeadLettersError
from streams.settings import Kafka, Settings
from streams.worker import exit_of
from tests.endings import AWAY, assert_checked, assert_ends, rows
from tests.plumbing import test_endings as with_servers

ROOT = Path(__file__).parents[2]
ROWS = rows()
MODEL = "name: mine\ndimensions: {support: {weight: {low_touch: 1}, signals: {NAME: {weight: 1, curve: CURVE}}}}\n"
BROKEN = "[accountpulse.signals]\nbroken = no_such_module\n[accountpulse.sinks]\nbroken = pathlib:Path.relative_to\n"
WORKER, NOTIFIER, VIEW = ["worker"], ["notifier"], ["view"]
STDOUT = {"SINKS__STDOUT": "true"}


def written(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.write_text(text, "utf-8")
    return path


def package(directory: Path, entries: str) -> Path:
    """A folder with an installed package that offers these entry points."""
    info = directory / "acme-1.0.dist-info"
    info.mkdir()
    written(info, "METADATA", "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    written(info, "entry_points.txt", entries)
    return directory


def model(directory: Path, name: str = "csat", curve: str = "[[0, 0], [1, 100000]]") -> Path:
    return written(directory, "model.yaml", MODEL.replace("NAME", name).replace("CURVE", curve))


CASES = {
    "configuration:": lambda d: (WORKER, {"KAFKA__PARTITIONS": "none"}),
    "ACCOUNTPULSE_CONFIG": lambda d: (VIEW, {"CONFIG": d / "absent.toml"}),
    "password_file": lambda d: (VIEW, {"REDIS__PASSWORD_FILE": d / "absent"}),
    "neither divides an hour": lambda d: (WORKER, {"ENGINE__TICK": "7"}),
    "more than 60 ticks": lambda d: (WORKER, {"ENGINE__TICK": "1", "ENGINE__GRACE": "61"}),
    "model": lambda d: (WORKER, {"ENGINE__MODEL": model(d, curve="[[1, 0]]")}),
    "no such signal": lambda d: (WORKER, {"ENGINE__MODEL": model(d, "nonsense")}),
    "cannot be loaded": lambda d: (WORKER, {"PYTHONPATH": package(d, BROKEN)}),
    "tick log": lambda d: (WORKER, {"ENGINE__TICK_LOG": d / "absent/ticks.ndjson"}),
    "certificate": lambda d: (WORKER, {"KAFKA__TLS__ENABLED": "true", "KAFKA__TLS__CA_FILE": d / "absent"}),
    "no broker can be used": lambda d: (WORKER, {}),
    "nothing can listen at": lambda d: (WORKER, {"PROBES__HOST": "192.0.2.1", "PROBES__PORT": "9108"}),
    "is no Redis URL": lambda d: (NOTIFIER, {**STDOUT, "REDIS__URL": "hunter2@nowhere"}),
    "routes": lambda d: (NOTIFIER, {**STDOUT, "SINKS__ROUTES": written(d, "r", "route: {receiver: who}")}),
    "webhook URL": lambda d: (NOTIFIER, {"SINKS__WEBHOOK__URL": "hunter2", "SINKS__WEBHOOK__SECRET": "k"}),
    "cannot be built without arguments": lambda d: (
        [*NOTIFIER, "--sink", "broken"], {"PYTHONPATH": package(d, BROKEN)}
    ),
    "in entry-point group": lambda d: ([*NOTIFIER, "--sink", "nobody"], {}),
    "two sinks share a name": lambda d: (
        [*NOTIFIER, "--sink", "acme"],
        {**STDOUT, "PYTHONPATH": package(d, "[accountpulse.sinks]\nacme = tests.unit.test_endings:Namesake\n")},
    ),
    "no sink is configured": lambda d: (NOTIFIER, {}),
}  # fmt: skip
FAULTS_OF_A_FILE = {
    "cut off": "name: [x",
    "no mapping": "",
    "short": "name: x\n",
    "no such option": MODEL.replace("NAME", "nps").replace("CURVE", "[[0, 0], [1, 1]], window_weeks: 3"),
    "no such rule": "name: x\ndimensions: {}\nrules: {no_such_rule: {}}\n",
}
BY_ITSELF = {"records were rejected", "recovery made no progress", "a rebalance is not over",
             "another worker owns a partition"}  # fmt: skip
"""Tested below or, for the brake, on a real Kafka."""
ELSEWHERE = {
    "MessageSizeTooLargeError": "tests/plumbing/test_fence.py",
    "metadata of format": "tests/plumbing/test_worker_upgrade.py",
    "was not written by this program": "tests/plumbing/test_worker_upgrade.py",
    "another process joined the group as": "tests/plumbing/test_worker_static.py",
    "the clock of this machine differs": "tests/plumbing/test_fence.py",
    "lacks rights": "tests/plumbing/test_acls.py",
    "AuthorizationFailed": "tests/plumbing/test_acls.py",
    "somebody else writes to": "tests/plumbing/test_worker_faults.py",
}
"""Tested there, as they need a worker that has a past or a twin, or a broker that is closed to it."""


class Namesake:
    """A package's sink that is called as one of the settings'."""

    name = "stdout"

    async def send(self, alert) -> None: ...

    async def close(self) -> None: ...


def test_every_row_is_tested():
    """The rows of the table are those that are tested, here or against servers; no other file says why roles end."""
    assert CASES.keys() | with_servers.CASES.keys() | BY_ITSELF | ELSEWHERE.keys() == ROWS.keys()
    assert [words for words, file in ELSEWHERE.items() if words not in (ROOT / file).read_text("utf-8")] == []
    assert not CASES.keys() & with_servers.CASES.keys()


@pytest.mark.parametrize("words", CASES)
def test_row(words, tmp_path, monkeypatch):
    """A role ends with the words and the code of its row, in one line, and `check` finds what the row says it finds."""
    call, settings = CASES[words](tmp_path)
    folder = settings.get("PYTHONPATH", tmp_path)
    monkeypatch.syspath_prepend(folder)
    settings = AWAY | settings | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    assert_ends(ROWS[words], call, settings)
    assert_checked(ROWS[words], settings, monkeypatch)


@pytest.mark.parametrize("fault", FAULTS_OF_A_FILE)
def test_check_reads_the_model(fault, tmp_path, monkeypatch):
    """Whatever is wrong with a model file, `check` says so with the word `model` and a way out, not that all is well."""
    file = written(tmp_path, "model.yaml", FAULTS_OF_A_FILE[fault])
    assert_checked(ROWS["model"], AWAY | {"ENGINE__MODEL": file}, monkeypatch)


def test_a_taken_port(monkeypatch):
    """A port that something listens at ends the role; `check` notes it, as that may be a running role."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = AWAY | {"PROBES__PORT": str(taken.getsockname()[1])}
        row = ROWS["nothing can listen at"]
        assert_ends(row, WORKER, settings)
        assert_checked(row._replace(check="note"), settings, monkeypatch)


@pytest.fixture
async def worker():
    """A worker that was never started, with short deadlines."""
    kafka = Kafka(bootstrap="127.0.0.1:1", write_deadline=3.0, session_timeout=2.0)
    worker = create_worker(Settings(kafka=kafka))
    yield worker
    await worker.producer.stop()


async def recovering(worker, now):
    worker.table.fresh.add(0)
    worker.table.progress_at = now - 2.9


async def rebalancing(worker, now):
    worker._settled_at = worker.table.progress_at = now - 8.9


async def shut_out(worker, now):
    worker.table.poisoned_since = now - 5.9


@pytest.mark.parametrize(
    ("words", "stuck"),
    [
        ("recovery made no progress", recovering),
        ("a rebalance is not over", rebalancing),
        ("another worker owns a partition", shut_out),
    ],
)
async def test_stuck(worker, words, stuck):
    """A worker that gets nowhere waits for its deadline and then ends with the words and the code of its row."""
    now = time.monotonic()
    await stuck(worker, now)
    worker._check_progress(now)
    assert worker.halt.reason is None
    worker._check_progress(now + 0.2)
    assert isinstance(worker.halt.reason, StuckError)
    assert words in str(worker.halt.reason)
    assert exit_of(worker.halt.reason, clean=False) == ROWS[words].code
    await asyncio.wait_for(worker.halt.wait(), 1)


def test_codes_of_a_worker():
    """An orderly end is 0, one that may be over after a start is 1, whatever was written before."""
    assert exit_of(None, clean=True) == 0
    assert exit_of(None, clean=False) == exit_of(TooManyDeadLettersError(), clean=False) == 1
