"""Runs counting workers on a real Kafka, feeds them, and compares what they made with a plain recount."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka import AIOKafkaProducer

from scoring.events import SOURCES
from streams import topics
from tests.plumbing.counting_partition import Row, decode_row, decode_score
from tests.plumbing.worker_group import PARTITIONS, Child, WorkerGroup, until

__all__ = ["PARTITIONS", "Child", "Run", "counting_run", "until"]


@dataclass
class Run(WorkerGroup):
    """A group of workers that count."""

    keys: int = 300
    count: Counter = field(default_factory=Counter)
    total: Counter = field(default_factory=Counter)
    command: tuple[str, ...] = ("tests.plumbing.counting_worker",)

    def environment(self, port: int) -> dict[str, str]:
        return {"COUNTING_FREEZE": str(self.directory), **super().environment(port)}

    async def produce(self, records: int, seed: int) -> None:
        """Append numbers under random keys to random sources, one in 500 not a number."""
        chance = random.Random(seed)
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=5, enable_idempotence=True)
        await producer.start()
        try:
            for at in range(records):
                source, key = chance.randrange(len(SOURCES)), chance.randrange(self.keys)
                number, partition = chance.randrange(1000), key % PARTITIONS
                good = chance.randrange(500) > 0
                name, text = b"k%d" % key, b"%d" % number if good else b"x%d" % at
                await producer.send(self.prefix + SOURCES[source], text, key=name, partition=partition)
                self.count[name] += good
                self.total[name] += number * good
                self.ends[SOURCES[source], partition] += 1
            await producer.flush()
        finally:
            await producer.stop()

    async def produce_text(self, values: list[bytes]) -> None:
        """Append values as they are, all under one key."""
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap) as producer:
            for value in values:
                await producer.send(self.prefix + "usage", value, key=b"k0", partition=0)
                self.ends["usage", 0] += 1

    async def produce_in_transactions(self, ends: list[str]) -> None:
        """Append ten numbers in each of some transactions, which are committed or aborted."""
        name = f"{self.prefix}producer"
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap, transactional_id=name) as producer:
            for end in ends:
                await producer.begin_transaction()
                for _ in range(10):
                    await producer.send_and_wait(self.prefix + "usage", b"7", key=b"k1", partition=1)
                if end == "commit":
                    await producer.commit_transaction()
                    self.count[b"k1"] += 10
                    self.total[b"k1"] += 70
                else:
                    await producer.abort_transaction()

    async def differences(self, timeout: float = 15.0) -> list[str]:
        """Keys whose state or published score is not what a plain recount says.

        Rows are judged at once. Offsets wait for no score (ADR 34), so scores may follow a moment later.
        """
        deadline = time.monotonic() + timeout
        while True:
            rows = {r.key: decode_row(r.value) for rs in (await self.read("state")).values() for r in rs}
            wrong = self._wrong_rows(rows)
            late = [] if wrong else self._unpublished(rows, await self.read("scores"))
            if wrong or not late or time.monotonic() > deadline:
                return wrong + late
            await asyncio.sleep(0.5)

    def _wrong_rows(self, rows: Mapping[bytes, Row]) -> list[str]:
        pairs = ((key, rows.get(key, Row()), (n, self.total[key])) for key, n in self.count.items() if n)
        return [
            f"{key!r}: state {row}, recount {due}" for key, row, due in pairs if (row.count, row.total) != due
        ]

    def _unpublished(self, rows: Mapping[bytes, Row], read: Mapping[int, list]) -> list[str]:
        scores = {r.key: decode_score(r.value) for records in read.values() for r in records}
        late = []
        for key, n in self.count.items():
            score, due = scores.get(key), (n, self.total[key])
            if n and rows[key].published != n:
                late.append(f"{key!r}: state {rows[key]}, published {n} are due")
            if n and (score is None or (score.count, score.total) != due):
                late.append(f"{key!r}: score {score}, recount {due}")
        return late

    async def missing_notices(self) -> list[str]:
        """Alerts and dead letters that must be there at least once, and are not."""
        alerts = {(r.key, int(r.value)) for rs in (await self.read("alerts")).values() for r in rs}
        due = {(key, n) for key, count in self.count.items() for n in range(10, count + 1, 10)}
        dead = {r.value for rs in (await self.read("dead-letters")).values() for r in rs}
        rejected = sum(self.ends.values()) - self.count.total()
        lost = [f"alert {each}" for each in sorted(due - alerts)]
        return lost + ([f"{len(dead)} dead letters of {rejected}"] if len(dead) != rejected else [])


@contextlib.asynccontextmanager
async def counting_run(bootstrap: str, prefix: str, directory: Path, **options) -> AsyncIterator[Run]:
    """A run with its topics made; all its workers are killed at the end."""
    run = Run(bootstrap, prefix, directory, **options)
    await topics.create(run.settings)
    try:
        yield run
    finally:
        run.close()
