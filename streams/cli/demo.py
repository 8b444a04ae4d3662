"""`accountpulse demo`: a fleet with planted stories through the real roles, without any server installed."""

from __future__ import annotations

import asyncio
import gzip
import shutil
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from scoring.times import iso
from streams.cli.output import ExitCode, complain
from streams.cli.replay import grid, instant
from streams.clock import wall_ms
from streams.demo.fleet import Fleet, generate, lines
from streams.demo.report import summary
from streams.demo.roles import Plan
from streams.demo.run import DemoError, Outcome, run
from streams.demo.screens import screen_for
from streams.demo.stories import NAMES, SHORTEST_DAYS, STORIES

DAYS_A_SECOND: Final = 10
INTERRUPTED: Final = 130
_STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _known(names: list[str]) -> list[str]:
    for name in names:
        if name not in NAMES:
            raise typer.BadParameter(f"no story {name!r}, known are {', '.join(NAMES)}")
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
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines, on a terminal too.")] = False,
    kafka: Annotated[
        bool, typer.Option("--kafka", help="A real Apache Kafka instead of the embedded broker.")
    ] = False,
    events: Annotated[
        Path | None,
        typer.Option(help="Only write the events to this file (.gz or plain), for replay and explain."),
    ] = None,
    end: Annotated[
        str | None, typer.Option(help="With --events: the last moment of the fleet, now if not given.")
    ] = None,
) -> None:
    """Watch accounts being scored, without any server installed; exits 1 if a story was not told."""
    if end is not None and events is None:
        raise typer.BadParameter("--end needs --events: a run ends now")
    last = wall_ms() // 1000 * 1000 if end is None else min(instant(end), wall_ms())
    fleet = Fleet(last, seed, accounts, days, frozenset(without or ()))
    if events is not None:
        _write(fleet, events)
        return
    console = Console(highlight=False)
    outcome = _watch(console, fleet, Plan(grid(tick), days, real_kafka=kafka), plain=plain)
    _conclude(console, outcome, tick)
    if not outcome.ok:
        raise typer.Exit(ExitCode.FINDING)


def _watch(console: Console, fleet: Fleet, plan: Plan, *, plain: bool) -> Outcome:
    """The run, until it ends or is stopped."""
    try:
        work = run(fleet, plan, screen_for(console, plain=plain), seconds=fleet.days / DAYS_A_SECOND)
        return asyncio.run(_until_stopped(work))
    except (KeyboardInterrupt, asyncio.CancelledError):
        for number in _STOPPING:
            signal.signal(number, signal.SIG_IGN)  # Python gives other handlers up on its way out
        complain("stopped; nothing is left behind")
        raise typer.Exit(INTERRUPTED) from None
    except DemoError as error:
        complain(str(error))
        raise typer.Exit(ExitCode.ENVIRONMENT) from None


def _conclude(console: Console, outcome: Outcome, tick: str) -> None:
    """The summary, cut to the terminal, and commands, which are not cut."""
    for line in (Text(), *summary(outcome), Text()):
        if console.is_terminal:
            line.truncate(console.width, overflow="ellipsis")
        console.print(line, soft_wrap=True)
    for line in _next(outcome.fleet, tick):
        console.print(line, soft_wrap=True)


async def _until_stopped(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Ctrl-C, SIGTERM and a closed terminal end the run once: whoever insists must not disturb the tidying up.

    Not `loop.add_signal_handler`: the loop takes its handlers back when it closes, before the process is gone.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    asked = False

    def stop(*_: object) -> None:
        nonlocal asked
        if not asked and task is not None:
            asked = True
            loop.call_soon_threadsafe(task.cancel)

    before = {number: signal.signal(number, stop) for number in _STOPPING}
    outcome = await work
    for number, handler in before.items():
        signal.signal(number, handler)
    return outcome


def _write(fleet: Fleet, path: Path) -> None:
    events = generate(fleet)
    data = b"".join(lines(events))
    path.write_bytes(gzip.compress(data, 1, mtime=0) if path.suffix == ".gz" else data)
    typer.echo(f"{path}: {len(events):,} events")


def _next(fleet: Fleet, tick: str) -> list[Text]:
    chosen = f"--seed {fleet.seed} --accounts {fleet.accounts} --days {fleet.days}"
    left_out = "".join(f" --without {name}" for name in sorted(fleet.without))
    call = _called()
    told = (
        (
            "the same fleet as a file",
            f"demo {chosen}{left_out} --end {iso(fleet.end)} --events fleet.ndjson.gz",
        ),
        ("why one account has its score", f"explain acct-0001 fleet.ndjson.gz --tick {tick}"),
        ("the same scores and alerts without a broker", f"replay fleet.ndjson.gz --tick {tick}"),
        ("the same fleet, one story less", "demo --without slow_fade"),
    )
    out = [Text("next:", style="bold")]
    for what, line in told:
        out += [Text(f"  # {what}", style="grey58"), Text(f"  {call} {line}")]
    return out


def _called() -> str:
    """How to call the program from here."""
    if shutil.which("accountpulse"):
        return "accountpulse"
    name = Path(sys.argv[0])
    return sys.argv[0] if name.name == "accountpulse" else f"{sys.executable} -m streams.cli.main"
