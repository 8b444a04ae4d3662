"""The product's own worker, with an observer inside, on a real Kafka under faults, against the independent reference told from the very same topics."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections import defaultdict
from pathlib import Path

import pytest
import yaml
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from alerts.model import decode_alert
from scoring.events import SOURCES
from scoring.model import default_model
from scoring.times import DAY, iso
from streams.context import make_context
from streams.partitioner import partition_of
from streams.pipeline import Partition
from tests.fault.harness import fault_run
from tests.oracle.columns import accounts, restored
from tests.oracle.compare import differences
from tests.oracle.histories import history
from tests.oracle.run import LogRecord, Outcome
from tests.oracle.run import run as reference
from tests.oracle.test_oracle import expected_lines, outlook
from tests.plumbing.worker_group import PARTITIONS, WorkerGroup, until

TICK = 6 * 3_600_000
GRACE = 60_000
MODEL = yaml.safe_load(Path("scoring/models/default.yaml").read_text("utf-8"))
HELPERS = {
    p: next(f"feed-{i}" for i in range(1000) if partition_of(b"feed-%d" % i, PARTITIONS) == p)
    for p in range(PARTITIONS)
}
"""An account per partition whose events only open and close the feeds."""


def feed_mark(partition: int, ts: int, name: str) -> tuple[bytes, bytes]:
    who = HELPERS[partition]
    event = {"type": "usage", "event_id": f"{name}-{ts}", "account_id": who, "ts": iso(ts), "quantity": 0}
    return who.encode(), json.dumps(event).encode()


class Feeds:
    """Produces a history in the order of its arrival; every feed is opened before and closed after it, so no clock ever waits for silence."""

    def __init__(self, run: WorkerGroup, seed: int, events: int) -> None:
        self.run = run
        start = int(time.time() * 1000) // DAY * DAY - 70 * DAY
        self.records = sorted(
            history(seed, accounts=10, events=events, days=60, tick=TICK, grace=GRACE, start=start),
            key=lambda r: r.timestamp,
        )
        self.first = start - 40 * DAY
        self.last = start + 66 * DAY
        self.may_close = asyncio.Event()
        self.may_close.set()

    async def send(self, rate: float) -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=self.run.bootstrap,
            enable_idempotence=True,
            linger_ms=5,
            max_request_size=4_000_000,
        ) as producer:
            await self._mark(producer, self.first, "open")
            began = time.monotonic()
            for sent, record in enumerate(self.records):
                if record.value is not None and len(record.value) > 1 << 20:
                    continue  # larger than the broker takes; covered without a broker
                partition = 0 if record.key is None else partition_of(record.key, PARTITIONS)
                await self._send(producer, record.source, partition, record.key, record.value)
                if sent / rate > time.monotonic() - began:
                    await asyncio.sleep(0.01)
            await self.may_close.wait()
            await self._mark(producer, self.last, "close")
            await producer.flush()

    async def _mark(self, producer: AIOKafkaProducer, ts: int, name: str) -> None:
        for source in range(len(SOURCES)):
            for partition in range(PARTITIONS):
                key, value = feed_mark(partition, ts, f"{name}-{source}")
                await self._send(producer, source, partition, key, value)

    async def _send(
        self, producer, source: int, partition: int, key: bytes | None, value: bytes | None
    ) -> None:
        await producer.send(self.run.prefix + SOURCES[source], value, key=key, partition=partition)
        self.run.ends[SOURCES[source], partition] += 1

    async def expected(self) -> dict[int, Outcome]:
        """The reference, told from what the broker holds."""
        logs: dict[int, list[LogRecord]] = defaultdict(list)
        for source, name in enumerate(SOURCES):
            for partition, records in (await self.run.read(name)).items():
                logs[partition] += [LogRecord(source, r.offset, r.timestamp, r.key, r.value) for r in records]
        last = (self.last - GRACE - 1) // TICK * TICK
        return {p: reference(log, model=MODEL, tick=TICK, grace=GRACE, until=last) for p, log in logs.items()}


async def wrong(run: WorkerGroup, feeds: Feeds) -> list[str]:
    """Every difference between what the workers wrote and the reference: rows rebuilt from the compacted changelog, scores, ticks, alerts."""
    found: list[str] = []
    told = await feeds.expected()
    rows, scores, alerts = (
        await run.read("state", clock=True),
        await run.read("scores"),
        await run.read("alerts"),
    )
    lines = tick_lines(run.directory)
    for number, expected in told.items():
        partition = Partition(number, make_context(default_model(), tick_ms=TICK, grace_ms=GRACE))
        restored(partition, [(r.key, r.value) for r in rows[number]])
        got = {who: a for who, a in accounts(partition).items() if who not in HELPERS.values()}
        seen = {
            who: outlook(partition.store.day, a)
            for who, a in expected.accounts.items()
            if who not in HELPERS.values()
        }
        found += differences(seen, got)
        found += differences(
            {f"alert {a['id']} {a['phase']} {a['revision']}": a["at"] for a in reversed(expected.alerts)},
            {
                f"alert {a.id} {a.phase} {a.revision}": a.at
                for a in map(decode_alert, [r.value for r in reversed(alerts[number])])
            },
        )
        wanted = {
            k: v for k, v in expected_lines(expected).items() if k.rsplit(" ", 1)[1] not in HELPERS.values()
        }
        found += differences(wanted, {k: lines.get(k, "no line") for k in wanted})
        published = {r.key.decode(): json.loads(r.value) for r in scores[number]}
        for who, account in seen.items():
            record = published.get(who)
            if record is None or record["band"] != account["band"]:
                found.append(f"{who}: published {record and record['band']}, reference {account['band']}")
            elif account["score"] is not None and abs(record["score"] * 1000 - account["score"]) >= 500:
                found.append(f"{who}: published score {record['score']}, reference {account['score']}")
    return found


def tick_lines(directory: Path) -> dict[str, object]:
    """What the workers' tick logs say; a tick that ran again after a crash must say the same again."""
    lines: dict[str, object] = {}
    for path in directory.glob("ticks*.ndjson"):
        for text in path.read_bytes().split(b"\n"):
            try:
                line = json.loads(text)
            except ValueError:
                continue  # cut off by a kill
            value = [
                None if line["score"] is None else round(line["score"] * 1000), line["band"], round(line["coverage"] * 1000),
                {k: round(v * 1000) for k, v in line["dimensions"].items()},
            ]  # fmt: skip
            key = f"tick {line['as_of']} {line['account_id']}"
            assert lines.setdefault(key, value) == value, f"{key} was told twice, differently"
    return lines


def start(run: WorkerGroup):
    run.extra = {
        "ACCOUNTPULSE_ENGINE__TICK": str(TICK // 1000),
        "ACCOUNTPULSE_ENGINE__GRACE": str(GRACE / 1000),
        "ACCOUNTPULSE_ENGINE__IDLE": "600",
        "ACCOUNTPULSE_ENGINE__TICK_LOG": str(run.directory / f"ticks{len(run.children)}.ndjson"),
    }
    return run.start()


async def rewind(run: WorkerGroup) -> int:
    """Set every committed offset back to the beginning, as a person might; returns how many records will be read again."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=run.bootstrap, group_id=run.settings.kafka.group, enable_auto_commit=False
    )
    await consumer.start()
    tps = [TopicPartition(run.prefix + s, p) for s, p in run.ends]
    consumer.assign(tps)
    await consumer.commit({tp: OffsetAndMetadata(0, "") for tp in tps})
    await consumer.stop()
    return sum(run.ends.values())


def metric(child, name: str, **labels: str) -> float:
    wanted = [f'{k}="{v}"' for k, v in labels.items()]
    text = child.get("/metrics")[1]
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.startswith(name) and all(w in line for w in wanted)
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1])
async def test_worker_equals_reference_under_faults(kafka, topic_prefix, tmp_path, seed):
    """Killed, terminated, frozen and thawed workers leave rows, scores, tick lines and alerts exactly as the reference says; the zombie's write is refused, re-read records are fenced."""
    chance = random.Random(seed)
    print("seed", seed)
    async with fault_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        workers = await run.start_ready(2)
        feeds = Feeds(run, seed, events=6500)
        feeds.may_close.clear()  # something comes after the freeze, however long the restarts take
        feeding = asyncio.create_task(feeds.send(rate=250))
        for number in (signal.SIGKILL, signal.SIGTERM):
            await asyncio.sleep(chance.uniform(2, 4))
            victim = chance.randrange(2)
            await run.stop(workers[victim], number)
            workers[victim] = run.start()
            await run.ready(workers[victim])
        zombie = workers[0]
        # with rows to write: frozen without, it would have nothing to be refused
        await run.freeze_at(zombie, "rows")
        feeds.may_close.set()
        await feeding
        await run.finished(90)
        run.thaw(zombie)
        await until(lambda: "write was refused" in zombie.log.read_text(), 20, run.logs)
        await run.all_ready()
        assert [await run.stop(w) for w in workers] == [0, 0], run.logs()
        assert not (found := await wrong(run, feeds)), "\n".join(found)

        again = await rewind(run)
        last = run.start()
        await run.ready(last)
        await run.finished(60)
        skipped = metric(last, "accountpulse_events_total", fate="replayed") + metric(
            last, "accountpulse_events_total", fate="dead"
        )
        assert skipped == again, "the fence must have skipped every record that was read again"
        assert await run.stop(last) == 0
        assert not (found := await wrong(run, feeds)), "\n".join(found)
