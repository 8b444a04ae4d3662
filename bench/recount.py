"""The end of every run: the rows of the `state` topic against what was produced, account by account.

A run whose rows differ by one unit of usage, or whose last event of some account on some topic was not applied, has no figures.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from bench.tally import Tally
from scoring.row import restore_rows
from scoring.state import Store
from streams.own_records import CLOCK_KEY, is_own
from streams.settings import Settings

_IDLE_S: Final = 10.0
_WAIT_S: Final = 0.1
"""`consume` returns what it has after this long; with a longer time it would wait for the full number."""


class WrongResultError(Exception):
    """The engine's state is not what the events say."""


class Logged(NamedTuple):
    """A record of a topic."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes


def read(settings: Settings, topic: str, partition: int, *, clock: bool = False) -> Iterator[Logged]:
    """All records now in a partition of a topic of the prefix, without term records; with the changelog's clock if wanted.

    Raises TimeoutError if the broker stops sending before the end.
    """
    consumer = Consumer(
        {"bootstrap.servers": settings.kafka.bootstrap, "group.id": "bench-reader", "enable.auto.commit": False,
         "fetch.message.max.bytes": 4 << 20, "queued.max.messages.kbytes": 65_536}
    )  # fmt: skip
    try:
        tp = TopicPartition(settings.topic_prefix + topic, partition, OFFSET_BEGINNING)
        end = consumer.get_watermark_offsets(tp, timeout=30)[1]
        consumer.assign([tp])
        at, heard = 0, time.monotonic()
        while at < end:
            messages = consumer.consume(5_000, _WAIT_S)
            heard = time.monotonic() if messages else heard
            if time.monotonic() - heard > _IDLE_S:
                raise TimeoutError(
                    f"{tp.topic}[{partition}]: nothing after offset {at} of {end} for {_IDLE_S:.0f} s"
                )
            for message in messages:
                if message.error():
                    raise TimeoutError(f"{tp.topic}[{partition}]: {message.error()}")
                at = (message.offset() or 0) + 1
                key = message.key()
                if not is_own(key) or (clock and key == CLOCK_KEY):
                    value = message.value()
                    yield Logged(at - 1, message.timestamp()[1], key, value)  # type: ignore[arg-type] # all have both
    finally:
        consumer.close()


def restored(settings: Settings, partition: int) -> Store:
    """A partition's accounts, rebuilt from the changelog alone."""
    newest = {record.key: record.value for record in read(settings, "state", partition)}
    store = Store(max(1024, len(newest)))
    pairs = list(newest.items())
    for start in range(0, len(pairs), 5_000):
        restore_rows(store, pairs[start : start + 5_000])
    return store


def recount(settings: Settings, tally: Tally, *, offsets: bool = True) -> dict[str, int]:
    """Compare every account of the fleet; returns what was compared.

    Without `offsets` only the units are, which is what can be told if others wrote to the inputs, too.
    Raises WrongResultError with the number of accounts that differ.
    """
    numbers, units, fences = [], [], []
    for partition in range(tally.partitions):
        store = restored(settings, partition)
        own = [row for row, key in enumerate(store.keys) if key.startswith(b"acct-")]
        numbers.append(np.array([int(store.keys[row][5:]) for row in own], np.int64))
        units.append(store.rings["usage"][np.array(own, np.int64)].sum(axis=1) // 1000)
        fences.append(store.hot["fence"][own].astype(np.int64))
    accounts = np.concatenate(numbers)
    said = np.concatenate(fences) if offsets else tally.last[:, accounts].T
    wrong = tally.wrong(accounts, np.concatenate(units), said)
    if wrong:
        raise WrongResultError(f"{wrong} of {len(accounts)} accounts differ from the recount")
    return {"events": tally.events, "accounts": len(accounts), "wrong": 0}
