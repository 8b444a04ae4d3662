"""What the workers are fed: the random histories of the oracle, in the order of their arrival, on a real Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from scoring.events import SOURCES
from scoring.times import DAY, HOUR, iso
from tests.oracle.clock import schedule
from tests.oracle.histories import history
from tests.oracle.reading import RejectedError, read
from tests.oracle.run import LogRecord, Outcome
from tests.oracle.run import run as reference
from tests.plumbing.worker_group import PARTITIONS, WorkerGroup

TICK = 6 * HOUR
GRACE = 60_000
MODEL = yaml.safe_load(Path("scoring/models/default.yaml").read_text("utf-8"))
MAX_VALUE = 1 << 20
MARK_S, EVERY = 1.0, 200
ACCOUNTS = 11
DAYS = 60


def place(key: bytes | None) -> int:
    """Where a key belongs, by the client's own partitioner and not by the product's."""
    return 0 if key is None else (murmur2(key) & 0x7FFFFFFF) % PARTITIONS


HELPERS = {p: next(f"feed-{i}" for i in range(1000) if place(b"feed-%d" % i) == p) for p in range(PARTITIONS)}
"""An account per partition whose events only say how far a feed is."""
BUSY = {p: next(f"busy-{i}" for i in range(1000) if place(b"busy-%d" % i) == p) for p in range(PARTITIONS)}
"""An account per partition with more usage at once than there are event ids remembered: only the fence knows it."""
BURST = 36


@dataclass
class Expected:
    """What the reference says of one partition, and where each event counts."""

    outcome: Outcome
    dead: dict[tuple[str, int, int], str] = field(default_factory=dict)
    """Topic without prefix, partition, offset to the reason of every record that is rejected."""
    counts: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Account to the ticks from which any of its events counts."""
    ahead: int = 0
    """Events that count from ticks which never run, the closing marks; they are folded all the same."""
    aside: frozenset[str] = frozenset()
    """Accounts that are not compared."""

    def compared(self, by_account: Mapping[str, Any]) -> dict[str, Any]:
        """What is said of accounts, without those that are not compared."""
        return {who: value for who, value in by_account.items() if who not in self.aside}


class Feeds:
    """Produces a crowd of accounts; every feed says now and then how far it is, so no clock ever waits for silence."""

    def __init__(self, run: WorkerGroup, seed: int, *, events: int = 5000, crowds: int = 3) -> None:
        """`events` in all, of `crowds` times eleven accounts, over 60 days that ended some days ago."""
        self.run = run
        self.aside = set(HELPERS.values())
        """Accounts that are not compared: those that say how far a feed is get events for a tick that never runs."""
        start = int(time.time() * 1000) // DAY * DAY - 70 * DAY
        self.records = sorted(crowd(seed, events, crowds, start), key=lambda r: r.timestamp)
        self.first = start - 40 * DAY
        self.last = start + 66 * DAY
        self.sent = 0

    @contextlib.asynccontextmanager
    async def flowing(self, seconds: float = 15.0) -> AsyncIterator[None]:
        """Feeds while something happens, ever more slowly so that there is always something left; then all the rest.

        After `seconds` a little more than half is sent.
        """
        hurry = asyncio.Event()
        task = asyncio.create_task(self._send(hurry, seconds))
        try:
            yield
        except BaseException:
            task.cancel()
            raise
        hurry.set()
        await task

    async def send(self) -> None:
        """Everything at once, from the opening to the closing mark."""
        async with self.flowing():
            pass

    async def _send(self, hurry: asyncio.Event, seconds: float) -> None:
        async with self.producer() as producer:
            await self.mark(producer, self.first)
            began = marked = time.monotonic()
            for at, record in enumerate(self.records):
                while not hurry.is_set() and at > len(self.records) * -math.expm1(
                    (began - time.monotonic()) / seconds
                ):
                    await asyncio.sleep(0.02)
                if record.value is None or len(record.value) <= MAX_VALUE:  # the broker takes no longer ones
                    await self.put(producer, record.source, place(record.key), record.key, record.value)
                if time.monotonic() - marked > MARK_S or at % EVERY == 0:
                    await self.burst(producer, record.timestamp)
                    await self.mark(producer, record.timestamp)
                    marked = time.monotonic()
            await self.mark(producer, self.last)
            await producer.flush()

    def producer(self) -> AIOKafkaProducer:
        """One that repeats nothing and gives up late."""
        return AIOKafkaProducer(
            bootstrap_servers=self.run.bootstrap, enable_idempotence=True, linger_ms=5,
            max_request_size=8_000_000, request_timeout_ms=120_000,
        )  # fmt: skip

    async def burst(self, producer: AIOKafkaProducer, ts: int) -> None:
        """The busy accounts are busy."""
        for at in range(BURST):
            for partition, who in BUSY.items():
                await self.use(producer, 0, partition, who, ts, f"{ts}-{at}", at)

    async def mark(self, producer: AIOKafkaProducer, ts: int) -> None:
        """Every feed of every partition has come to a time."""
        for source in range(len(SOURCES)):
            for partition, who in HELPERS.items():
                await self.use(producer, source, partition, who, ts, f"{source}-{ts}", 0)

    async def use(
        self,
        producer: AIOKafkaProducer,
        source: int,
        partition: int,
        who: str,
        ts: int,
        name: str,
        quantity: int,
    ) -> None:
        """Append a usage event."""
        event = {"type": "usage", "event_id": name, "account_id": who, "ts": iso(ts), "quantity": quantity}
        await self.put(producer, source, partition, who.encode(), json.dumps(event).encode())

    async def put(
        self,
        producer: AIOKafkaProducer,
        source: int,
        partition: int,
        key: bytes | None,
        value: bytes | None,
    ) -> None:
        """Append one record."""
        await producer.send(self.run.prefix + SOURCES[source], value, key=key, partition=partition)
        self.run.ends[SOURCES[source], partition] += 1
        self.sent += 1

    async def expected(self) -> dict[int, Expected]:
        """The reference, told from what the broker holds up to the committed offsets, by partition."""
        committed = await self.run.committed()
        logs: dict[int, list[LogRecord]] = defaultdict(list)
        for source, name in enumerate(SOURCES):
            for partition, records in (await self.run.read(name)).items():
                end = committed[self.run.tp(name, partition)][0]
                logs[partition] += [
                    LogRecord(source, r.offset, r.timestamp, r.key, r.value)
                    for r in records
                    if r.offset < end
                ]
        last = (self.last - GRACE - 1) // TICK * TICK
        return {number: expect(number, log, last, frozenset(self.aside)) for number, log in logs.items()}

    def fates(self, expected: dict[int, Expected]) -> Counter[str]:
        """Events by fate, over all sources and partitions."""
        out: Counter[str] = Counter()
        for each in expected.values():
            for (_, fate), n in each.outcome.fates.items():
                out[fate] += n
            out["applied"] += each.ahead
            out["dead"] += each.outcome.dead.total()
        return out


def expect(number: int, log: Sequence[LogRecord], last: int, aside: frozenset[str]) -> Expected:
    """What the reference says about the log of one partition, up to a tick."""

    def belongs(key: bytes) -> bool:
        return place(key) == number

    told = Expected(
        reference(log, model=MODEL, tick=TICK, grace=GRACE, until=last, partition=belongs), aside=aside
    )
    events = []
    for record in log:
        try:
            events.append(read(record, belongs))
        except RejectedError as reason:
            told.dead[SOURCES[record.source], number, record.offset] = str(reason)
    for tick, of_tick in schedule(events, TICK, GRACE).items():
        told.ahead += len(of_tick) if tick > last else 0
        for event in of_tick:
            told.counts[event.account_id].add(tick)
    return told


def crowd(seed: int, events: int, crowds: int, start: int) -> Iterator[LogRecord]:
    """Several histories whose accounts have different names."""
    for number in range(crowds):
        records = history(
            seed * 1000 + number,
            accounts=ACCOUNTS,
            events=events // crowds,
            days=DAYS,
            tick=TICK,
            grace=GRACE,
            start=start,
        )
        yield from records if number == 0 else (renamed(r, f"#{number}") for r in records)


def renamed(record: LogRecord, suffix: str) -> LogRecord:
    """The record of another account; what is no JSON object stays as it is."""

    def name(text: str) -> str:
        return text[: 256 - len(suffix)] + suffix

    key, value = record.key, record.value
    if key is not None:
        key = name(key.decode()).encode()
    try:
        body = json.loads(value or b"")
    except ValueError:
        return replace(record, key=key)
    if not isinstance(body, dict):
        return replace(record, key=key)
    for field_name in ("account_id", "subject"):
        if isinstance(body.get(field_name), str):
            body[field_name] = name(body[field_name])
    return replace(record, key=key, value=json.dumps(body).encode())
