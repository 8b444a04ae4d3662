"""What commands print: tables for people, JSON for programs; and the exit codes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import IntEnum

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text


class ExitCode(IntEnum):
    """What a command's exit says."""

    OK = 0
    FINDING = 1
    USAGE = 2
    ENVIRONMENT = 3


def printable(value: object) -> str:
    """Text without control characters: what came in with events must not steer the terminal."""
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def emit_json(value: object) -> None:
    """Print anything msgspec encodes as indented JSON."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def emit_table(
    columns: Sequence[str], rows: Sequence[Mapping[str, object]], *, empty: str = "nothing"
) -> None:
    """Print rows as a table with these columns, or the words of `empty`."""
    if not rows:
        typer.echo(empty)
        return
    console = Console()
    table = Table() if console.is_terminal else Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=not console.is_terminal)
    for row in rows:
        table.add_row(*(Text(printable(row.get(column))) for column in columns))
    if console.is_terminal:
        console.print(table)
    else:
        print_plain(table)


def print_plain(table: Table) -> None:
    """Aligned text, one line a row, however long: what is read by `grep` must not be broken into columns."""
    console = Console(file=sys.stdout, width=10_000, color_system=None)
    with console.capture() as captured:
        console.print(table)
    typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def complain(message: str) -> None:
    """Print one line on stderr."""
    typer.echo(f"accountpulse: {printable(message)}", err=True)
