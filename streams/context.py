"""The one place that makes a pipeline's Context: of a model and a grid (files), or of settings (worker)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from io import FileIO
from pathlib import Path

import msgspec

from alerts.engine import AlertEngine
from scoring.evaluate import Scorer
from scoring.events import SOURCES
from scoring.model import Model, default_model, parse_model
from streams.extensions import load_signals
from streams.partition_context import Context, Totals
from streams.partitioner import partition_of
from streams.settings import Settings
from streams.ticking import TickLine

TickLog = Callable[[Sequence[TickLine]], None]
_encode_line = msgspec.json.Encoder().encode


def load_model(path: Path | None) -> Model:
    """The model of a file, or the one of the package for None.

    Raises OSError, yaml.YAMLError or pydantic.ValidationError, each saying what is wrong.
    """
    return default_model() if path is None else parse_model(path.read_text("utf-8"))


def make_context(
    model: Model,
    *,
    tick_ms: int,
    grace_ms: int,
    partitions: int | None = None,
    topic_names: Sequence[str] = SOURCES,
    tick_log: TickLog | None = None,
) -> Context:
    """What all partitions of a process share; `partitions` None accepts every key on every partition.

    Raises ValueError if the model names signals or options that do not exist, ExtensionError for a broken extension.
    """
    load_signals()
    scorer = Scorer(model)
    alerts = AlertEngine(scorer)
    return Context(
        scorer,
        alerts,
        tick_ms,
        grace_ms,
        _placement(partitions),
        topic_names=topic_names,
        totals=Totals(rules=[*(rule.name for rule in alerts.levels), *alerts.facts]),
        tick_log=tick_log,
    )


def build_context(settings: Settings) -> Context:
    """The Context of a worker. Raises as `load_model` and `make_context` do."""
    engine, kafka = settings.engine, settings.kafka
    return make_context(
        load_model(engine.model),
        tick_ms=engine.tick * 1000,
        grace_ms=round(engine.grace * 1000),
        partitions=kafka.partitions if kafka.partitioner == "murmur2" else None,
        topic_names=[settings.topic_prefix + source for source in SOURCES],
        tick_log=None if engine.tick_log is None else _appender(engine.tick_log),
    )


def _placement(partitions: int | None) -> Callable[[int], Callable[[bytes], bool]]:
    if partitions is None:
        return lambda _: lambda _: True
    return lambda number: lambda key: partition_of(key, partitions) == number


def _appender(path: Path) -> TickLog:
    stream = path.open("a+b", buffering=0)  # open as long as the process runs
    if stream.tell() and _last_byte(stream) != b"\n":
        stream.write(b"\n")  # a line that was cut off stays one broken line

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
