"""What is installed: the command, the transport, the model file, type information, the licence."""

import tomllib
from importlib.metadata import distribution, entry_points
from importlib.resources import files
from pathlib import Path

import pytest
import typer

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
WHEEL = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


@pytest.mark.parametrize("package", WHEEL)
def test_packages(package):
    """Each package of the wheel is typed and says in its first line what it is for."""
    assert files(package).joinpath("py.typed").is_file()
    assert (ROOT / package / "__init__.py").read_text("utf-8").startswith('"""')


def test_nothing_else_is_installed():
    """The wheel holds the three packages and nothing else that lies at the top level."""
    assert sorted(WHEEL) == ["alerts", "scoring", "streams"]
    importable = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert importable - {"tests", "bench"} == set(WHEEL)


def test_entry_points():
    """The command and the Faust transport that pyproject.toml names can be loaded."""
    [command] = entry_points(group="console_scripts", name="accountpulse")
    assert callable(command.load())
    [transport] = entry_points(group="faust.transports", name="accountpulse")
    assert transport.load().__module__ == "streams.transport"


def test_every_command_exists():
    """Every command that `--help` lists can be imported."""
    from streams.cli.main import COMMANDS, load  # noqa: PLC0415

    for name in COMMANDS:
        assert isinstance(load(name), typer.core.TyperCommand | typer.core.TyperGroup), name


def test_model_and_licence():
    """The default model travels with the package, and the licence is the one the metadata name."""
    assert files("scoring").joinpath("models/default.yaml").is_file()
    assert (
        distribution("accountpulse").metadata["License-Expression"]
        == PROJECT["project"]["license"]
        == "Apache-2.0"
    )
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")


def test_lock_is_of_this_project():
    """uv.lock holds every dependency that pyproject.toml names."""
    locked = {package["name"] for package in tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]}
    named = {
        text.split("=")[0].split(">")[0].split("[")[0].lower() for text in PROJECT["project"]["dependencies"]
    }
    assert named <= locked
