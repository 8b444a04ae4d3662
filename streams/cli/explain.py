"""`accountpulse explain`: one account's score, band and alerts with their reasons, from files or the view."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scoring.model import Model
from streams.cli.account_words import money
from streams.cli.explain_view import explain_from_view
from streams.cli.output import ExitCode, complain, emit_json, printable
from streams.cli.replay import GRACE_MS, existing, grid, instant, progress_of, usable_model
from streams.clock import wall_ms
from streams.explain import DimensionDetail, Explanation, UnknownAccountError
from streams.explain import explain as explain_account
from streams.replay import read_lines


def explain(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT")],
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help="NDJSON, plain or .gz; - is standard input. Without files: what the Redis view says.",
        ),
    ] = None,
    *,
    at: Annotated[
        str | None, typer.Option(help="Explain the last tick up to this time; later events are left out.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="A model file; without it the package's own.")] = None,
    tick: Annotated[str | None, typer.Option(help="Grid of the clock, 1h if not given.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Say why an account has its score; exits 1 if it is not known."""
    if not files:
        if (at, model, tick) != (None, None, None):
            raise typer.BadParameter("--at, --model and --tick need files: the view holds the present alone")
        explain_from_view(account, as_json=json)
        return
    found = _from_files(
        account,
        existing(files),
        usable_model(model),
        tick_ms=grid(tick or "1h"),
        until=None if at is None else instant(at),
    )
    if json:
        emit_json(found)
        return
    for text in _head(found):
        typer.echo(printable(text))
    if found.dimensions:
        _show_dimensions(found)
    for text in _rest(found):
        typer.echo(printable(text))


def _from_files(
    account: str, files: list[str], model: Model, *, tick_ms: int, until: int | None
) -> Explanation:  # fmt: skip
    try:
        with progress_of(read_lines(files)) as lines:
            found, dead = explain_account(
                account, lines, model, tick_ms=tick_ms, grace_ms=GRACE_MS, now=wall_ms(), until=until
            )
    except UnknownAccountError as error:
        close = f"; did you mean {', '.join(error.matches)}?" if error.matches else ""
        complain(f"{error}{close}")
        raise typer.Exit(ExitCode.FINDING) from None
    for line in dead:
        complain(f"{line.file}:{line.line}: {line.reason}: {line.detail}")
    return found


def _head(found: Explanation) -> Iterator[str]:
    r = found.record
    name = r.attributes.get("name")
    yield f"{r.account_id}{f' ({name})' if name else ''}, {r.tier}, as of {r.as_of}, model {r.model}"
    score = "no score" if r.score is None else f"score {r.score:.1f}"
    was = f", before {r.previous_band}" if r.previous_band not in (None, r.band) else ""
    yield f"{score}, {r.band}" + (f" since {r.since}{was}" if r.since else "")
    for reason in found.band_reasons:
        yield f"  {reason}"
    missing = [f"{n} ({d.why_missing})" for n, d in found.dimensions.items() if d.score is None]
    yield f"coverage {r.coverage:.0%}" + (f", without {'; '.join(missing)}" if missing else "")
    if r.mrr is not None:
        currency, risk = r.attributes.get("currency"), r.mrr_at_risk
        at_risk = "" if risk is None else f", at risk {money(risk, currency)} ({r.mrr_at_risk_basis})"
        yield f"MRR {money(r.mrr, currency)}{at_risk}"


def _show_dimensions(found: Explanation) -> None:
    """A rich table on a terminal, aligned text otherwise."""
    rows = [row for name, d in found.dimensions.items() for row in _dimension_rows(name, d)]
    console = Console()
    if console.is_terminal:
        table = Table("dimension", "points", "weight", "adds", box=None)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row), style=None if row[0].startswith(" ") else "bold")
        console.print(table)
        return
    for label, points, weight, adds in (("dimension", "points", "weight", "adds"), *rows):
        typer.echo(f"{label:24}{points:>8}{weight:>8}{adds:>8}".rstrip())


def _dimension_rows(name: str, d: DimensionDetail) -> Iterator[tuple[str, str, str, str]]:
    yield name, _points(d.score), str(d.weight), "" if d.score is None else f"{d.contribution:.1f}"
    for signal, s in d.signals.items():
        yield f"  {signal}", _points(s.score), str(s.weight), ""


def _points(score: float | None) -> str:
    return "-" if score is None else f"{score:.1f}"


def _rest(found: Explanation) -> Iterator[str]:
    for change in found.changes:
        parts = ", ".join(f"{name} {points:+.1f}" for name, points in change.dimensions.items())
        yield f"change over {change.days} days: {change.points:+.1f}" + (f" = {parts}" if parts else "")
    if move := found.last_move:
        yield f"last change, {move.at}:"
        for driver in move.drivers:
            said = ", ".join(driver.what)
            events = f" [{', '.join(driver.events)}]" if driver.events else ""
            yield f"  {driver.points / 1000:+.2f} {driver.dimension}, {driver.cause}: {said}{events}".rstrip(
                ": "
            )
    for title, lines in (
        ("open tickets", found.open_tickets),
        ("open invoices", found.open_invoices),
        ("alerts", found.alerts),
    ):
        yield f"{title}: {'none' if not lines else ''}".rstrip()
        yield from (f"  {line}" for line in lines)
