"""The one place that makes a pipeline's Context: of a model and a grid (files), or of settings (worker)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from io import FileIO
from pathlib import Path
from typing import Final

import msgspec
import yaml
from pydantic import ValidationError

from alerts.engine import AlertEngine
from scoring.evaluate import Scorer
from scoring.events import SOURCES
from scoring.model import Model, default_model, parse_model
from scoring.tails import MOST_DECODED
from streams.extensions import load_signals
from streams.partition_context import Context, Totals
from streams.partitioner import partition_of
from streams.settings import Settings, UnusableFileError, in_one_line
from streams.ticking import TickLine

DAYS_PER_COMMIT: Final = 2
"""Three commits stay within a week: what a ring may be ahead of the clock and still hold every window."""
TickLog = Callable[[Sequence[TickLine]], None]
_encode_line = msgspec.json.Encoder().encode


class ModelError(ValueError):
    """A model cannot be used; one line that names it and says what is wrong."""


def load_model(path: Path | None) -> Model:
    """The model of a file, or the one of the package for None; signals of installed packages may be named from now on.

    Raises ModelError, ExtensionError for a broken extension.
    """
    load_signals()
    if path is None:
        return default_model()
    try:
        return parse_model(path.read_text("utf-8"))
    except ValidationError as error:
        raise ModelError(f"model {path}: {in_one_line(error)}") from None
    except OSError as error:
        raise ModelError(f"model {path}: {error.strerror or error}") from None
    except (ValueError, yaml.YAMLError) as error:
        raise ModelError(f"model {path}: {' '.join(str(error).split())}") from None


def make_context(
    model: Model,
    *,
    tick_ms: int,
    grace_ms: int,
    partitions: int | None = None,
    topic_names: Sequence[str] = SOURCES,
    roomy: int = 50_000,
    tick_log: TickLog | None = None,
    days_per_commit: int | None = None,
    decoded_tails: int = MOST_DECODED,
) -> Context:
    """What all partitions of a process share; `partitions` None accepts every key on every partition.

    Raises ModelError if the model names signals or options that do not exist.
    """
    try:
        scorer = Scorer(model)
    except ValueError as error:
        raise ModelError(str(error)) from None
    alerts = AlertEngine(scorer)
    return Context(
        scorer,
        alerts,
        tick_ms,
        grace_ms,
        _placement(partitions),
        topic_names=topic_names,
        roomy=roomy,
        totals=Totals(rules=[*(rule.name for rule in alerts.levels), *alerts.facts]),
        tick_log=tick_log,
        days_per_commit=days_per_commit,
        decoded_tails=decoded_tails,
    )


def build_context(settings: Settings) -> Context:
    """The Context of a worker. Raises as `load_model` and `make_context` do, OSError for the tick log."""
    engine, kafka = settings.engine, settings.kafka
    return make_context(
        load_model(engine.model),
        tick_ms=engine.tick * 1000,
        grace_ms=round(engine.grace * 1000),
        partitions=kafka.partitions if kafka.partitioner == "murmur2" else None,
        topic_names=[settings.topic_prefix + source for source in SOURCES],
        roomy=engine.max_queued // 2,
        tick_log=None if engine.tick_log is None else _appender(engine.tick_log),
        days_per_commit=DAYS_PER_COMMIT,
        decoded_tails=MOST_DECODED // kafka.partitions,
    )


def _placement(partitions: int | None) -> Callable[[int], Callable[[bytes], bool]]:
    if partitions is None:
        return lambda _: lambda _: True
    return lambda number: lambda key: partition_of(key, partitions) == number


def _appender(path: Path) -> TickLog:
    try:
        stream = path.open("a+b", buffering=0)  # open as long as the process runs
        if stream.tell() and _last_byte(stream) != b"\n":
            stream.write(b"\n")  # a line that was cut off stays one broken line
    except OSError as error:
        raise UnusableFileError("tick log", path, error.strerror or error) from None

    def append(lines: Sequence[TickLine]) -> None:
        rest = b"".join(_encode_line(line) + b"\n" for line in lines)
        try:
            while rest:
                rest = rest[stream.write(rest) :]
        except OSError as error:  # an audit trail with holes would be none
            way_out = "make room, or unset ACCOUNTPULSE_ENGINE__TICK_LOG"
            raise OSError(error.errno, f"tick log {path}: {error.strerror}; {way_out}") from error

    return append


def _last_byte(stream: FileIO) -> bytes:
    stream.seek(-1, os.SEEK_END)
    return stream.read(1)
