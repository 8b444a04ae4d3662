"""A Dockerfile, read: what its stages say, and its build steps for a directory instead of an image."""

import json
import re
import shlex
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
