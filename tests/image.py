"""A Dockerfile, read: what its stages say, and its build steps for a directory instead of an image."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path


@dataclass
class Dockerfile:
    """`stages` lists (instruction, argument) per stage, continued lines joined, comments left out."""

    bases: list[str] = field(default_factory=list)
    stages: list[list[tuple[str, str]]] = field(default_factory=list)

    @classmethod
    def parse(cls, path: Path) -> "Dockerfile":
        found = cls()
        lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
        for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
            name, _, argument = line.partition(" ")
            if name == "FROM":
                found.bases.append(argument.split()[0])
                found.stages.append([])
            elif name:
                found.stages[-1].append((name, " ".join(argument.split()) if name != "RUN" else argument))
        return found

    @property
    def final(self) -> dict[str, list[str]]:
        out = defaultdict(list)
        for name, argument in self.stages[-1]:
            out[name].append(argument)
        return out

    @property
    def labels(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for text in self.final["LABEL"] for pair in shlex.split(text))

    @property
    def health_check(self) -> list[str]:
        [text] = self.final["HEALTHCHECK"]
        return json.loads(text[text.index("CMD ") + 4 :])

    @property
    def builder_copies(self) -> list[list[str]]:
        return [argument.split() for name, argument in self.stages[0] if name == "COPY"]


def ignored(root: Path, path: str) -> bool:
    """Whether .dockerignore keeps a path out: the last line that matches it, or a folder above it, decides."""
    above = [path, *(str(parent) for parent in Path(path).parents)][: path.count("/") + 1]
    out = False
    for line in (root / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.removeprefix("!")
        anywhere = pattern.removeprefix("**/") if pattern.startswith("**/") else None
        if line.startswith("#") or not line:
            continue
        if any(fnmatch(name, pattern) or (anywhere and fnmatch(Path(name).name, anywhere)) for name in above):
            out = not line.startswith("!")
    return out


NETWORK = frozenset({
    "SSL_CERT_FILE", "SSL_CERT_DIR", "PIP_CERT", "PIP_INDEX_URL", "UV_DEFAULT_INDEX",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
})  # fmt: skip
"""How this machine reaches the package index: all that the steps are given from outside."""
DECLARED = frozenset({"LABEL", "USER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"})
"""Instructions that do nothing while an image is built."""


class Stage:
    """A stage of a build whose absolute paths lie below a directory, and whose users are added in a folder."""

    def __init__(self, top: Path, context: Path, python: Path, users: Path | None = None) -> None:
        """`python` stands for that of the base image; `context` is what Docker is sent."""
        self.top = top
        self.context = context
        self.directory = top
        self.settings: dict[str, str] = {}
        bin_ = top / f"base-{python.parent.parent.name}"
        self._program(bin_ / "python", str(python))
        if users is not None:
            (users / "etc").mkdir(parents=True)
            for name in ("passwd", "group", "shadow", "gshadow"):
                (users / "etc" / name).touch()
            for name in ("groupadd", "useradd"):
                self._program(bin_ / name, f"{shutil.which(name)} --prefix {users}")
        self.environment = {"PATH": f"{bin_}:/usr/bin:/bin", "HOME": str(top)}
        self.environment |= {name: os.environ[name] for name in NETWORK & os.environ.keys()}

    def _program(self, path: Path, command: str) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        path.chmod(0o755)

    def inside(self, text: str) -> str:
        return re.sub(r"(?<![\w/.:])/(opt|src)\b", rf"{self.top}/\1", text)

    def run(self, instruction: str, argument: str) -> None:
        match instruction:
            case "ENV":
                for pair in self.inside(argument).split():
                    name, value = pair.split("=", 1)
                    self.environment[name] = value.replace("$PATH", self.environment["PATH"])
            case "WORKDIR":
                self.directory = Path(self.inside(argument))
                self.directory.mkdir(parents=True)
            case "COPY":
                *sources, target = argument.split()
                if sources[0].startswith("--from="):  # both stages lie below one directory
                    assert [Path(self.inside(target))] == [Path(self.inside(s)) for s in sources[1:]]
                    return
                for source in sources:
                    self._copy(source, self.directory / target)
            case "RUN":
                self._execute(argument)
            case _:
                assert instruction in DECLARED, f"{instruction}: teach this class what it does"
                self.settings[instruction] = argument

    def _execute(self, argument: str) -> None:
        done = subprocess.run(
            ["sh", "-c", self.inside(argument)],
            cwd=self.directory, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"RUN {argument}\n{done.stdout}\n{done.stderr}"

    def _copy(self, source: str, target: Path) -> None:
        """As Docker does: what .dockerignore leaves of the context."""
        found = self.context / source
        if found.is_file():
            shutil.copy(found, target)
            return
        for path in found.rglob("*"):
            name = str(path.relative_to(self.context))
            if path.is_file() and not ignored(self.context, name):
                place = target / path.relative_to(found)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)
