"""The commands that the documentation tells people to type, read from its pages."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import typer

from streams.cli.main import COMMANDS, load

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *(ROOT / f"{d}/README.md" for d in ("bench", "deploy"))]
)
PROGRAMS = ("accountpulse", "docker", "make", "python", "promtool")
PLACEHOLDERS = {"ACCOUNT": "acct-0001", "FILE...": "events.ndjson"}
FILES = {"--model": "model.yaml", "--file": "routes.yaml"}
"""What stands for FILE after an option."""
NAMES = {"accountpulse produce", "accountpulse replay"}
"""Commands that a sentence only names."""
ALONE = {
    "accountpulse schema all --out docs/schemas",
    "accountpulse schema markdown",
    "accountpulse schema metrics",
    "accountpulse rules --markdown",
    "accountpulse rules --model FILE",
    "accountpulse topics acls worker",
    "accountpulse topics plan",
    "accountpulse alerts route --file FILE",
    "accountpulse alerts route --file examples/routes.yaml",
    "accountpulse alerts route --file examples/routes.yaml --test tier=high_touch severity=critical owner=dana@example.com",
    "accountpulse demo --events fleet.ndjson.gz",
    "accountpulse replay fleet.ndjson.gz --tick 6h",
    "accountpulse replay FILE...",
    "accountpulse replay events.ndjson.gz --scores scores.ndjson --alerts alerts.ndjson",
    "accountpulse explain acct-0001 fleet.ndjson.gz --tick 6h",
    "accountpulse explain ACCOUNT events.ndjson.gz",
}
"""Run in a folder of their own, without a server: tests/unit/test_documented_commands.py."""
WITH_SERVERS = {
    "accountpulse topics create",
    "accountpulse topics check",
    "accountpulse check",
    "accountpulse produce events.ndjson",
    "accountpulse worker",
    "accountpulse notifier",
    "accountpulse dead-letters list",
}
"""Run against a real Kafka and Redis: tests/plumbing/test_documented_commands.py."""
OF_THE_VIEW = {
    "accountpulse view",
    "accountpulse view --once",
    "accountpulse view --rebuild",
    "accountpulse accounts",
    "accountpulse accounts --band red",
    "accountpulse accounts --band red --by mrr_at_risk",
    "accountpulse explain ACCOUNT",
}
"""Run against a view that is known record by record: there, too."""
PARSED_ONLY = {
    "accountpulse demo": "half a minute each; tests/plumbing/test_demo.py runs the demo with a smaller fleet",
    "accountpulse demo --without slow_fade": "as above",
    "accountpulse demo --seed 3 --accounts 50 --days 120": "as above",
    "accountpulse demo --tick 1h": "as above",
    "accountpulse demo --kafka": "as above",
    "docker compose ...": "needs a container engine: services and options are held against the Compose file",
    "make ...": "build, tests and containers: the targets are held against the Makefile",
    "python -m streams.demo.record docs/images/demo.svg": "the demo again: the module has to be there",
    "python -m tests.alert_states": "tests/unit/test_alerting_docs.py compares the page with what it draws",
    "python deploy/grafana/render.py http://127.0.0.1:9090 now.svg": "tests/plumbing/test_dashboards.py draws with it",
    "python -m bench.report": "tests/unit/test_bench_figures.py compares what it writes",
    "python -m bench.skew": "tests/unit/test_bench_figures.py holds it against what must be",
    "promtool test rules deploy/prometheus/tests/accountpulse.yml": "tests/plumbing/test_prometheus_rules.py runs it",
}
"""Nobody runs these as they stand, and why."""
_ASSIGNMENTS = re.compile(r"(?:[A-Z][A-Z_]*=\S+ )*")


class Command(NamedTuple):
    """One command of a page, as it stands there without settings before it and remarks behind it."""

    page: str
    text: str

    @property
    def program(self) -> str:
        return self.text.split()[0]

    @property
    def words(self) -> list[str]:
        """To be typed behind the program, with names of files for what stands for them."""
        words = shlex.split(self.text)[1:]
        for at, word in enumerate(words):
            words[at] = FILES.get(words[at - 1], "") if word == "FILE" else PLACEHOLDERS.get(word, word)
        return words


def commands() -> list[Command]:
    """Those at a prompt, and those that stand as code in a sentence."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        typed = re.findall(r"^\$ (.*)$", text, re.MULTILINE)
        sentences = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        for code in [*typed, *re.findall(r"`([^`\n]+)`", sentences)]:
            line = _ASSIGNMENTS.sub("", re.sub(r"\s+#.*", "", code), count=1).strip()
            if line.split()[:1] and line.split()[0] in PROGRAMS and line not in PROGRAMS:
                found.append(Command(str(page.relative_to(ROOT)), line))
    return found


def of_the_program() -> dict[str, Command]:
    """Every different command of `accountpulse`, those that run in a container among them."""
    out = {}
    for command in commands():
        inside = re.sub(r"^docker compose exec \w+ (?=accountpulse )", "", command.text)
        if inside.startswith("accountpulse "):
            out.setdefault(inside, Command(command.page, inside))
    return out


def parse(words: list[str]) -> None:
    """Have the program's own parser take the words, without running anything. Raises click's UsageError."""
    assert words[0] in COMMANDS, words[0]
    command, rest = load(words[0]), words[1:]
    context = command.make_context(words[0], list(rest))
    if isinstance(command, typer.core.TyperGroup):
        name, found, rest = command.resolve_command(context, rest)
        found.make_context(name, rest, parent=context)
