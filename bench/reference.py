"""Some accounts of a run told by the independent reference, column by column: what the recount of units cannot see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from bench.load import Fleet
from bench.recount import WrongResultError, read
from scoring.events import SOURCES
from scoring.model import default_model
from streams.context import make_context
from streams.own_records import CLOCK_KEY
from streams.pipeline import Partition
from streams.settings import Settings
from tests.oracle.columns import accounts, restored
from tests.oracle.compare import differences
from tests.oracle.reading import LogRecord
from tests.oracle.run import run
from tests.oracle.test_oracle import outlook

SAMPLE: Final = 3
"""Accounts of each partition."""
_MODEL: Final = Path(__file__).parents[1] / "scoring/models/default.yaml"


def check_sample(settings: Settings, fleet: Fleet, *, tick_ms: int) -> dict[str, int]:
    """Compare the rows of some accounts with the reference; returns how many were compared.

    Of a load in time order the tick that an event counts from does not depend on the events of other accounts, so the reference
    needs only the log of the sample. Raises WrongResultError naming the first differences.
    """
    partitions = settings.kafka.partitions
    compared = 0
    for number in range(partitions):
        own = [key for key, home in zip(fleet.keys, fleet.partitions.tolist(), strict=True) if home == number]
        sample = set(own[:: max(1, len(own) // SAMPLE)][:SAMPLE])
        found = _differences(settings, number, sample, tick_ms)
        if found:
            raise WrongResultError("differs from the reference: " + "; ".join(found[:5]))
        compared += len(sample)
    return {"compared with the reference": compared}


def _differences(settings: Settings, number: int, sample: set[bytes], tick_ms: int) -> list[str]:
    engine = Partition(number, make_context(default_model(), tick_ms=tick_ms, grace_ms=_grace(settings)))
    rows = {record.key: record.value for record in read(settings, "state", number, clock=True)}
    restored(engine, list(rows.items()))
    last = int(engine.store.hot["tick"][: engine.store.n].max())
    log = _log(settings, number, sample)
    model = yaml.safe_load(_MODEL.read_text("utf-8"))
    told = run(log, model=model, tick=tick_ms, grace=_grace(settings), until=last).accounts
    names = {key.decode() for key in sample} & told.keys()
    expected = {name: outlook(engine.store.day, told[name]) for name in names}
    small = Partition(number, engine.context)
    restored(small, [(key, rows[key]) for key in (*sample, CLOCK_KEY) if key in rows])
    small.store.roll(engine.store.day)
    return differences(expected, accounts(small))


def _grace(settings: Settings) -> int:
    return round(settings.engine.grace * 1000)


def _log(settings: Settings, number: int, sample: set[bytes]) -> Sequence[LogRecord]:
    return [
        LogRecord(source, *record)
        for source, name in enumerate(SOURCES)
        for record in read(settings, name, number)
        if record.key in sample
    ]
