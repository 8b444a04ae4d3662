"""`accountpulse demo`: a fleet with planted stories through the real roles, without any server installed."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from alerts.render import Notification
from streams.cli.output import ExitCode, complain, printable
from streams.cli.replay import grid
from streams.clock import wall_ms
from streams.demo.fleet import Fleet, generate, lines
from streams.demo.report import alert_lines, summary_lines
from streams.demo.roles import Plan
from streams.demo.run import DemoError, Outcome, Screen, run
from streams.demo.stories import BY_NAME, SHORTEST_DAYS, STORIES

DAYS_A_SECOND: Final = 9
INTERRUPTED: Final = 130


def _known(names: list[str]) -> list[str]:
    for name in names:
        if name not in BY_NAME:
            raise typer.BadParameter(f"no story {name!r}, known are {', '.join(BY_NAME)}")
    return names


def demo(
    *,
    seed: Annotated[int, typer.Option(help="Another seed, another fleet.")] = 7,
    accounts: Annotated[int, typer.Option(min=len(STORIES), max=5000)] = 300,
    days: Annotated[int, typer.Option(min=SHORTEST_DAYS, max=400)] = 180,
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STORY",
            help="Leave a story out; may be repeated.",
            callback=lambda names: _known(names or []),
        ),
    ] = None,
    tick: Annotated[str, typer.Option(help="Grid of the clock.")] = "6h",
    kafka: Annotated[
        bool, typer.Option("--kafka", help="A real Apache Kafka instead of the embedded broker.")
    ] = False,
    events: Annotated[
        Path | None,
        typer.Option(help="Only write the events to this file (.gz or plain), for replay and explain."),
    ] = None,
) -> None:
    """Watch accounts being scored, without any server installed; exits 1 if a story was not told."""
    fleet = Fleet(wall_ms(), seed, accounts, days, frozenset(without or ()))
    if events is not None:
        _write(fleet, events)
        return
    plan = Plan(grid(tick), days, real_kafka=kafka)
    try:
        work = run(fleet, plan, _screen(), seconds=days / DAYS_A_SECOND)
        outcome = asyncio.run(_until_terminated(work))
    except (KeyboardInterrupt, asyncio.CancelledError):
        complain("stopped; nothing is left behind")
        raise typer.Exit(INTERRUPTED) from None
    except DemoError as error:
        complain(str(error))
        raise typer.Exit(ExitCode.ENVIRONMENT) from None
    typer.echo("")
    for line in summary_lines(outcome):
        typer.echo(printable(line))
    typer.echo("")
    for line in _next(fleet):
        typer.echo(line)
    if not outcome.ok:
        raise typer.Exit(ExitCode.FINDING)


async def _until_terminated(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """SIGTERM ends the run as Ctrl-C does: whatever was started is stopped."""
    task = asyncio.current_task()
    if task is not None:
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work


def _screen() -> Screen:
    console = Console(stderr=True)
    status = console.status("")

    def alert(told: Notification) -> None:
        for line in alert_lines(told):
            typer.echo(printable(line))

    def progress(day: str) -> None:
        if console.is_terminal:
            status.update(f"event time {day}")
            status.start()

    return Screen(typer.echo, alert, progress)


def _write(fleet: Fleet, path: Path) -> None:
    events = generate(fleet)
    data = b"".join(lines(events))
    path.write_bytes(gzip.compress(data, 1, mtime=0) if path.suffix == ".gz" else data)
    typer.echo(f"{path}: {len(events):,} events")


def _next(fleet: Fleet) -> list[str]:
    chosen = f"--seed {fleet.seed} --accounts {fleet.accounts} --days {fleet.days}"
    return [
        "next:",
        f"  accountpulse demo {chosen} --events fleet.ndjson.gz     the same fleet as a file",
        "  accountpulse explain acct-0001 fleet.ndjson.gz           why one account has its score",
        "  accountpulse replay fleet.ndjson.gz                      the same scores without a broker",
        "  accountpulse demo --without slow_fade                    the same fleet, one story less",
    ]
