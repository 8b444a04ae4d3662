"""`accountpulse rules`: every alert rule of a model, for people and for docs/rules.md."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from msgspec import Struct

from alerts.rules.base import Described
from alerts.rules.catalogue import all_rules
from streams.cli.output import ExitCode, complain, emit_json, emit_table
from streams.context import ModelError, load_model

_COLUMNS: Final = ("rule", "kind", "severity", "fires when", "defaults", "evidence", "play")
_HEAD: Final = """# Alert rules

Generated from the rules and the default model by `accountpulse rules --markdown`. A model switches a rule on by naming
it under `rules`, with other options if you like; `accountpulse rules --model FILE` shows what yours says. The exact
conditions are in section 8 of [semantics.md](semantics.md). A rule holds for `hold_hours` before it fires where that
option is given; every firing is told once, again when the band changes, and when it is over. Numbers quoted below
are those of practitioners, and none of them was measured on your accounts.
"""


class RuleLine(Struct, frozen=True):
    """One rule as it is shown."""

    rule: str
    kind: str
    severity: str
    when: str
    options: dict[str, Any]
    evidence: str
    play: str
    why: str

    @classmethod
    def of(cls, rule: Described) -> RuleLine:
        """What a rule says of itself and of its options; a hold of none is not worth a word."""
        options = rule.options.model_dump(exclude={"severity"})
        if not options["hold_hours"]:
            del options["hold_hours"]
        why = inspect.getdoc(type(rule)) or ""
        return cls(
            rule.name,
            rule.kind,
            rule.severity,
            rule.when,
            options,
            rule.shows,
            rule.play,
            " ".join(why.split()),
        )

    @property
    def cells(self) -> dict[str, str]:
        """The columns of the table."""
        defaults = "; ".join(f"{name} {_plain(value)}" for name, value in self.options.items())
        values = (self.rule, self.kind, self.severity, self.when, defaults, self.evidence, self.play)
        return dict(zip(_COLUMNS, values, strict=True))


def rules(
    model: Annotated[
        Path | None, typer.Option("--model", help="A model file; default: the one of the package.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page docs/rules.md.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print every alert rule of a model: when it fires, how urgent it is, what it shows and what to do."""
    try:
        lines = [RuleLine.of(rule) for rule in all_rules(load_model(model))]
    except ModelError as error:
        complain(str(error))
        raise typer.Exit(ExitCode.ENVIRONMENT) from None
    if json:
        emit_json(lines)
    elif markdown:
        typer.echo(page(lines), nl=False)
    else:
        emit_table(("rule", "severity", "fires when", "defaults", "play"), [line.cells for line in lines])


def page(lines: list[RuleLine]) -> str:
    """The page docs/rules.md."""
    table = [_row(_COLUMNS), _row(["---"] * len(_COLUMNS))]
    table += [_row(_cell(name, text) for name, text in line.cells.items()) for line in lines]
    why = [f"- **{line.rule}**: {line.why}" for line in lines]
    parts = (_HEAD, *table, "\n## Why, and where the numbers come from\n", *why)
    return "\n".join(parts) + "\n"


def _row(cells: Any) -> str:  # noqa: ANN401 - any strings
    return f"| {' | '.join(cells)} |"


def _cell(column: str, text: str) -> str:
    text = text.replace("|", "\\|")
    return f"`{text}`" if column in {"rule", "severity"} else text


def _plain(value: Any) -> str:  # noqa: ANN401 - a value of a model
    if isinstance(value, dict):
        return " / ".join(f"{name} {_plain(v)}" for name, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value)) or "none"
    return str(value)
