"""A changelog as if the accounts had a past: 120 days of history told to some template accounts, whose rows every account gets.

Folding a real past for a million accounts would take longer than the benchmark. What a row holds, and what it costs to read
and write, is the same; only the keys differ.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from confluent_kafka import Producer

from bench.load import Fleet
from bench.past import DAYS, past
from bench.tally import Tally
from scoring.events import SOURCES
from scoring.model import default_model
from scoring.row import Pair, encode_rows
from scoring.times import DAY, HOUR, UNSET
from streams.context import make_context
from streams.own_records import CLOCK_KEY
from streams.pipeline import Partition
from streams.settings import Settings

TEMPLATES: Final = 500
_FLUSH_S: Final = 120.0
_ROW = 512


class Row(NamedTuple):
    """A row of the changelog, and the units of usage that it holds."""

    value: bytes
    units: int


class _Record(NamedTuple):
    """A record as the pipeline takes it."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes


def templates(end_ms: int, count: int = TEMPLATES) -> list[Row]:
    """Rows of accounts whose events end with the day before `end_ms`, scored at the last full hour before it."""
    partition = Partition(0, make_context(default_model(), tick_ms=DAY, grace_ms=0))
    end = end_ms // DAY * DAY
    events = deque(
        sorted(
            (at, source, name, value)
            for number in range(count)
            for name in [f"past-{number}"]
            for at, source, value in past(name, number, end)
        )
    )
    offsets = [0] * len(SOURCES)
    for day in range(end - DAYS * DAY, end, DAY):
        chunks: list[list[_Record]] = [[] for _ in SOURCES]
        while events and events[0][0] < day + DAY:
            at, source, name, value = events.popleft()
            chunks[source].append(_Record(offsets[source], at, name.encode(), value))
            offsets[source] += 1
        for source, chunk in enumerate(chunks):
            if chunk:
                partition.feed(source, chunk)
        for _ in partition.advance(day + DAY, set(range(len(SOURCES)))):
            pass
    return _rows(_at_hour(partition, end_ms // HOUR * HOUR))


def _at_hour(partition: Partition, hour: int) -> Partition:
    """The same accounts after the tick of a full hour: else the first tick of the run would move every score by a day."""
    store = partition.store
    store.hot["fence"][: store.n] = UNSET  # the inputs of the run begin at 0
    later = Partition(0, make_context(default_model(), tick_ms=HOUR, grace_ms=0))
    later.restore(_encoded(store.n, partition))
    later.takeover()
    later.clock_ms = hour - HOUR
    for _ in later.advance(hour + 1, set(range(len(SOURCES)))):
        pass
    return later


def _rows(partition: Partition) -> list[Row]:
    for _ in partition.score_blocks():  # published, as they would be
        pass
    partition.drain_alerts()
    store = partition.store
    rows = _encoded(store.n, partition)
    units = (store.rings["usage"][: store.n].sum(axis=1) // 1000).tolist()
    return [Row(value, units[store.index[key]]) for key, value in rows]


def _encoded(count: int, partition: Partition) -> list[Pair]:
    return [
        pair
        for start in range(0, count, _ROW)
        for pair in encode_rows(partition.store, np.arange(start, min(count, start + _ROW)))
    ]


def write_past(settings: Settings, fleet: Fleet, past_rows: Sequence[Row], end_ms: int) -> None:
    """Give every account of the fleet a row in `state`, and the hour before `end_ms` that they stand at. Raises TimeoutError."""
    producer = Producer(
        {"bootstrap.servers": settings.kafka.bootstrap, "compression.type": "lz4", "linger.ms": 20, "batch.size": 900_000,
         "queue.buffering.max.messages": 100_000, "queue.buffering.max.kbytes": 400_000, "log_level": 3}
    )  # fmt: skip
    topic = settings.topic_prefix + "state"
    for number, (key, partition) in enumerate(zip(fleet.keys, fleet.partitions.tolist(), strict=True)):
        value = past_rows[number % len(past_rows)].value
        while True:
            try:
                producer.produce(topic, value, key, partition)
                break
            except BufferError:
                producer.poll(0.1)
        if number % 2000 == 0:
            producer.poll(0)
    for partition in range(
        settings.kafka.partitions
    ):  # without it nothing would be published before the first tick
        producer.produce(topic, b"%d" % (end_ms // HOUR * HOUR), CLOCK_KEY, partition)
    if left := producer.flush(_FLUSH_S):
        raise TimeoutError(f"{left} rows were not acknowledged within {_FLUSH_S:.0f} s")


def count_past(tally: Tally, past_rows: Sequence[Row]) -> None:
    """The units of usage that the rows hold already belong to the truth."""
    pattern = np.array([row.units for row in past_rows])
    tally.units += pattern[np.arange(len(tally.units)) % len(past_rows)]
