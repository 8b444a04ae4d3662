"""What commands print: tables for people, JSON for programs; and the exit codes."""

from __future__ import annotations

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
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(row.get(column))) for column in columns))
    Console().print(table)


def complain(message: str) -> None:
    """Print one line on stderr."""
    typer.echo(f"accountpulse: {printable(message)}", err=True)
