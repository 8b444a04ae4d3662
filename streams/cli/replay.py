"""`accountpulse replay`: scores and alerts from files, through the pipeline of the worker, no broker."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Annotated, Any, Final

import msgspec
import typer
from msgspec import Struct
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from scoring.model import Model
from scoring.times import UNSET, iso, parse
from streams.cli.output import ExitCode, complain, emit_json, emit_table
from streams.clock import wall_ms
from streams.context import ModelError, load_model, make_context
from streams.partition_context import Context
from streams.pipeline import Partition
from streams.replay import DeadLine, FileLine, Replay, read_lines
from streams.ticking import TickLine

GRACE_MS: Final = 500
DEAD_SHOWN: Final = 20
_UNITS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_FATES: Final = ("applied", "duplicate", "replayed", "late", "dead")


class Summary(Struct):
    """What a replay did. For each source `read` is the sum of its fates."""

    read: int
    sources: dict[str, dict[str, int]]
    dead: dict[str, int]
    bands: dict[str, int]
    alerts: dict[str, int]
    ticks: int
    last_tick: str | None
    model: str


def duration(text: str) -> int:
    """Milliseconds of a duration like 30s, 15m, 1h, 7d. Raises typer.BadParameter."""
    match = re.fullmatch(r"([1-9]\d{0,6})([smhd])", text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is no duration: give a number and s, m, h or d, as in 1h")
    return int(match[1]) * _UNITS[match[2]]


def grid(text: str) -> int:
    """Milliseconds of a tick: at most a day; divides an hour or is whole hours. Raises typer.BadParameter."""
    tick = duration(text)
    hour = _UNITS["h"]
    if tick > _UNITS["d"] or (hour % tick and tick % hour):
        raise typer.BadParameter(f"tick {text}: must divide an hour or be whole hours, at most 1d")
    return tick


def instant(text: str) -> int:
    """Milliseconds UTC of an RFC 3339 time or a date. Raises typer.BadParameter."""
    known = parse(text if "T" in text else f"{text}T00:00:00Z")
    if known == UNSET:
        raise typer.BadParameter(f"{text!r} is neither an RFC 3339 time with offset nor a date")
    return known


def usable_model(path: Path | None) -> Model:
    """The model of a file, the default for None. Raises typer.BadParameter saying what is wrong, ExtensionError."""
    try:
        model = load_model(path)
        make_context(model, tick_ms=_UNITS["d"], grace_ms=GRACE_MS)
    except ModelError as error:
        raise typer.BadParameter(str(error)) from error
    return model


def existing(names: list[str]) -> list[str]:
    """The names, if each is a file or `-`. Raises typer.BadParameter."""
    for name in names:
        if name != "-" and not Path(name).is_file():
            raise typer.BadParameter(f"{name} does not exist or is no file")
    return names


@contextlib.contextmanager
def progress_of(lines: Iterable[FileLine]) -> Iterator[Iterator[FileLine]]:
    """The same lines, counted on stderr while they pass, if that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("lines", total=None)

        def counted() -> Iterator[FileLine]:
            for count, line in enumerate(lines, 1):
                yield line
                if count % 1000 == 0:
                    bar.update(task, completed=count)

        yield counted()


def score_writer(stream: IO[bytes], every: int) -> Callable[[Sequence[TickLine]], None]:
    """Writes the lines of the ticks that are multiples of `every` milliseconds since 1970."""
    encode = msgspec.json.Encoder().encode

    def write(lines: Sequence[TickLine]) -> None:
        if lines and parse(lines[0].as_of) % every == 0:
            stream.write(b"".join(encode(line) + b"\n" for line in lines))

    return write


def replay(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="NDJSON, plain or .gz; - is standard input.", callback=existing
        ),
    ],
    *,
    model: Annotated[Path | None, typer.Option(help="A model file; without it the package's own.")] = None,
    scores: Annotated[Path | None, typer.Option(help="Write one line per account and step.")] = None,
    alerts: Annotated[Path | None, typer.Option(help="Write the alert records.")] = None,
    dead: Annotated[Path | None, typer.Option(help="Write the rejected lines with place and reason.")] = None,
    every: Annotated[str, typer.Option(help="Step of --scores; a multiple of --tick.")] = "1d",
    tick: Annotated[str, typer.Option(help="Grid of the clock.")] = "1h",
    until: Annotated[str | None, typer.Option(help="Last tick; later events are left out.")] = None,
    now: Annotated[
        str | None, typer.Option(help="Stands for the arrival of the lines; later times are rejected.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Score accounts from files, without a broker; exits 1 if lines were rejected."""
    tick_ms, every_ms = grid(tick), duration(every)
    if every_ms % tick_ms:
        raise typer.BadParameter(f"--every {every} is no multiple of --tick {tick}")
    last = None if until is None else instant(until)
    with contextlib.ExitStack() as stack:
        outputs = [
            None if path is None else stack.enter_context(path.open("wb")) for path in (scores, alerts)
        ]
        log = None if outputs[0] is None else score_writer(outputs[0], every_ms)
        context = make_context(usable_model(model), tick_ms=tick_ms, grace_ms=GRACE_MS, tick_log=log)
        told = _Alerts(outputs[1])
        run = Replay(context, wall_ms() if now is None else instant(now), told.take)
        run.run(stack.enter_context(progress_of(read_lines(files))), last)
    _report_dead(run.dead, dead)
    _show(summary(run, context, told.counts), as_json=json)
    if run.dead:
        raise typer.Exit(ExitCode.FINDING)


class _Alerts:
    """Takes what the partition decided: counts it, and writes it if there is somewhere to."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self.counts: Counter[str] = Counter()
        self._stream = stream

    def take(self, partition: Partition) -> None:
        records = partition.drain_alerts()
        if self._stream is not None:
            self._stream.write(b"".join(value + b"\n" for _, value in records))
        self.counts = Counter(
            {f"{rule} {phase}": n for (rule, _, phase), n in partition.context.totals.transitions.items()}
        )


def summary(run: Replay, context: Context, alerts: Counter[str]) -> Summary:
    """The figures of a finished replay."""
    sources: dict[str, dict[str, int]] = {}
    for (source, fate), count in sorted(context.totals.events.items()):
        row = sources.setdefault(source, {"read": 0, **dict.fromkeys(_FATES, 0)})
        row[fate] += count
        row["read"] += count
    bands: Counter[str] = Counter()
    for (band, _), count in run.partition.bands().items():
        bands[band] += count
    as_of = run.partition.as_of
    return Summary(
        read=run.read,
        sources=sources,
        dead=dict(sorted(context.totals.dead.items())),
        bands=dict(sorted(bands.items())),
        alerts=dict(sorted(alerts.items())),
        ticks=context.totals.ticks,
        last_tick=None if as_of == UNSET else iso(as_of),
        model=context.model_hash,
    )


def _report_dead(dead: Sequence[DeadLine], path: Path | None) -> None:
    if path is not None:
        path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in dead))
        return
    for line in dead[:DEAD_SHOWN]:
        complain(f"{line.file}:{line.line}: {line.reason}: {line.detail}")
    if len(dead) > DEAD_SHOWN:
        complain(f"{len(dead) - DEAD_SHOWN} more lines were rejected; --dead FILE writes them all")


def _show(found: Summary, *, as_json: bool) -> None:
    if as_json:
        emit_json(found)
        return
    rows: list[dict[str, Any]] = [{"source": source, **fates} for source, fates in found.sources.items()]
    emit_table(("source", "read", *_FATES), rows, empty="no events")
    for title, counts in (("rejected", found.dead), ("accounts", found.bands), ("alerts", found.alerts)):
        if counts:
            typer.echo(f"{title}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    typer.echo(f"last tick: {found.last_tick}, {found.ticks} ticks, model {found.model}")
