"""`accountpulse alerts`: who hears of what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alerts.matchers import LABELS
from alerts.model import Kind
from alerts.route import Router, Routing, Target
from alerts.route_tree import MUTE, RoutesError, Tree, outline
from streams.cli.output import ExitCode, complain, emit_json, printable
from streams.routes_file import read_routes
from streams.settings import Settings

alerts = typer.Typer(help="Show who hears of which alert.", no_args_is_help=True, add_completion=False)


@alerts.callback()
def main() -> None:
    """Show who hears of which alert."""


@alerts.command()
def route(
    labels: Annotated[
        list[str] | None, typer.Argument(metavar="LABEL=VALUE...", help="Of the alert to test.")
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="Say which way an alert with these labels goes.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option("--file", help="A routes file; default: the one of the settings.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the tree of routes, or with --test the way of one alert; exits 1 if nobody would hear of it."""
    if labels and not test:
        raise typer.BadParameter("labels are for --test")
    known = _known(labels or [])
    tree = _tree(file)
    if test:
        _test(tree, known, json)
    elif json:
        emit_json(None if tree is None else tree.model_dump(by_alias=True, exclude_none=True))
    else:
        _show(tree)


def _tree(file: Path | None) -> Tree | None:
    try:
        return read_routes(file or Settings().sinks.routes)
    except RoutesError as error:
        for fault in str(error).splitlines():
            complain(fault)
        raise typer.Exit(ExitCode.ENVIRONMENT) from None


def _known(labels: list[str]) -> dict[str, str]:
    known = {}
    for label in labels:
        name, equals, value = label.partition("=")
        if not equals or name not in LABELS:
            raise typer.BadParameter(f"{label!r}: give label=value, with a label of {', '.join(LABELS)}")
        known[name] = value
    try:
        Kind(known.setdefault("kind", Kind.RISK.value))
    except ValueError:
        raise typer.BadParameter(f"kind is one of {', '.join(Kind)}") from None
    return known | {"phase": known.get("phase", "firing")}


def _show(tree: Tree | None) -> None:
    if tree is None:
        typer.echo("no routes file (ACCOUNTPULSE_SINKS__ROUTES): every alert goes to every sink at once")
        return
    for line in outline(tree):
        typer.echo(printable(line))
    for receiver in tree.receivers:
        place = f" {receiver.channel}" if receiver.channel else ""
        typer.echo(printable(f"receiver {receiver.name}: {receiver.sink}{place}"))


def _test(tree: Tree | None, known: dict[str, str], json: bool) -> None:
    routing = Router(tree).route_labels(known, Kind(known["kind"]))
    heard = tree is None or bool(routing.targets)
    if json:
        emit_json({"labels": known, "paths": routing.paths, "receivers": routing.targets})
    else:
        for line in _words(tree, routing):
            typer.echo(printable(line))
    if not heard:
        raise typer.Exit(ExitCode.FINDING)


def _words(tree: Tree | None, routing: Routing) -> list[str]:
    if tree is None:
        return ["no routes file: it goes to every sink at once"]
    lines = [*routing.paths, *map(_receiver, routing.targets)]
    return lines if routing.targets else [*lines, f"nobody hears of it ({MUTE})"]


def _receiver(target: Target) -> str:
    parts = [f"receiver {target.receiver}: {target.sink}"]
    if target.sink == "slack":
        parts[0] += f" {target.channel or '(its default channel)'}"
        many = f"more than {target.group_limit} within {target.group_wait:g} s"
        parts.append(f"{many} of one {'+'.join(target.group_by) or 'receiver'} become one message")
    parts.append(f"cool-down {target.cooldown_ms // 3_600_000} h" if target.cooldown_ms else "no cool-down")
    return ", ".join(parts)
