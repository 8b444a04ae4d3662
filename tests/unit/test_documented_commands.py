"""What the documentation tells people to type: every command is known to the program, and those that need no server run."""

import gzip
import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from streams.cli.main import app
from tests import documented
from tests.documented import ROOT, of_the_program

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
COMPOSE_OPTIONS = {
    "up": {"--detach", "--force-recreate", "--scale"},
    "exec": set(),
    "logs": {"--follow"},
    "ps": set(),
    "down": {"--volumes"},
}
"""Those that the pages use, as https://docs.docker.com/reference/cli/docker/compose/ has them."""
EVERY = of_the_program()
EVENTS = 20_000


def others(program: str) -> list[str]:
    return sorted({command.text for command in documented.commands() if command.program == program})


def test_every_command_is_accounted_for():
    """A command of a page is run by a test or listed, with the reason, as one that is only parsed; no list holds more."""
    runs = [documented.ALONE, documented.WITH_SERVERS, documented.OF_THE_VIEW]
    listed = [*documented.NAMES, *documented.PARSED_ONLY, *(text for group in runs for text in group)]
    assert len(listed) == len(set(listed))
    plain = {"docker compose ...", "make ..."}
    found = EVERY.keys() | set(others("python")) | set(others("promtool")) | plain
    assert set(listed) == found


@pytest.mark.parametrize("text", sorted(EVERY.keys() - documented.NAMES))
def test_options_are_known(text, monkeypatch, tmp_path):
    """The program's own parser takes every command of a page, with its options and values."""
    monkeypatch.chdir(tmp_path)
    for name in re.findall(r"\S+\.ndjson(?:\.gz)?", " ".join(EVERY[text].words)):
        (tmp_path / name).touch()
    documented.parse(EVERY[text].words)


@pytest.mark.parametrize("text", sorted(documented.NAMES))
def test_names_are_commands(text):
    """A command that a sentence only names is there."""
    assert text.split()[1] in documented.COMMANDS


@pytest.mark.parametrize("text", others("make"))
def test_make(text):
    """Every target of a page is one of the Makefile."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = [word for word in shlex.split(text)[1:] if "=" not in word]
    assert targets
    assert [target for target in targets if f"\n{target}:" not in makefile] == []


@pytest.mark.parametrize("text", others("docker"))
def test_compose(text):
    """Services, files and options of a Compose command exist, and what runs in a container is a command of the program."""
    words = shlex.split(text)[1:]
    if words == ["stats"]:
        return
    assert words.pop(0) == "compose"
    while words[0] == "-f":
        assert (ROOT / words[1]).is_file()
        del words[:2]
    name, *rest = words
    options = {word for word in rest if word.startswith("--") and name != "exec"}
    assert options <= COMPOSE_OPTIONS[name]
    services = [word.partition("=")[0] for word in rest if word not in options]
    services = services[:1] if name == "exec" else services
    assert set(services) <= COMPOSE["services"].keys()
    if name == "exec" and rest[1] == "accountpulse":
        documented.parse(rest[2:])


@pytest.mark.parametrize("text", others("python"))
def test_modules(text):
    """A module or file that a page runs is there, and is a program."""
    words = text.split()
    path = importlib.util.find_spec(words[2]).origin if words[1] == "-m" else ROOT / words[1]
    assert '__name__ == "__main__"' in Path(path).read_text("utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder as somebody has it who reads the pages: the fleet of docs/demo.md, events, a model, routes, the examples."""
    folder = tmp_path_factory.mktemp("typed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        typed = EVERY["accountpulse demo --events fleet.ndjson.gz"].words
        assert CliRunner().invoke(app, typed).exit_code == 0
    events = gzip.decompress((folder / "fleet.ndjson.gz").read_bytes()).splitlines(keepends=True)[:EVENTS]
    (folder / "events.ndjson").write_bytes(b"".join(events))
    (folder / "events.ndjson.gz").write_bytes(gzip.compress(b"".join(events)))
    shutil.copy(ROOT / "scoring/models/default.yaml", folder / "model.yaml")
    shutil.copy(ROOT / "examples/routes.yaml", folder / "routes.yaml")
    (folder / "examples").symlink_to(ROOT / "examples")
    return folder


@pytest.mark.parametrize("text", sorted(documented.ALONE))
def test_runs(text, folder, monkeypatch):
    """A command that needs no server does its work as it stands: it ends with 0, says something, and writes the files it names."""
    monkeypatch.chdir(folder)
    words = EVERY[text].words
    outputs = [words[at + 1] for at, word in enumerate(words) if word in {"--out", "--scores", "--alerts"}]
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, done.exception) == (0, None), done.output
    assert done.stdout.strip() or outputs
    for name in outputs:
        path = folder / name
        assert any(path.iterdir()) if path.is_dir() else path.stat().st_size, name


def test_schemas_are_those_of_the_repository(folder, monkeypatch):
    """The command of CONTRIBUTING.md writes the very schemas that are checked in."""
    monkeypatch.chdir(folder)
    assert CliRunner().invoke(app, EVERY["accountpulse schema all --out docs/schemas"].words).exit_code == 0
    written = {path.name: path.read_text("utf-8") for path in (folder / "docs/schemas").iterdir()}
    assert written == {path.name: path.read_text("utf-8") for path in (ROOT / "docs/schemas").iterdir()}
