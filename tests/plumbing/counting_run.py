"""Runs counting workers on a real Kafka, feeds them, and compares what they made with a plain recount."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from scoring.events import SOURCES
from streams import topics
from streams.servers.process import free_port
from streams.settings import Engine, Kafka, Probes, Settings
from tests.plumbing.counting_partition import Row, decode_row, decode_score

PARTITIONS = 4
ROOT = Path(__file__).parents[2]


@dataclass
class Child:
    process: subprocess.Popen
    port: int
    log: Path

    @property
    def stopped(self) -> bool:
        """Whether the process is frozen by a signal."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)


@dataclass
class Run:
    """One group of workers on topics of its own."""

    bootstrap: str
    prefix: str
    directory: Path
    keys: int = 300
    session: float = 6.0
    commit_interval: float = 0.3
    children: list[Child] = field(default_factory=list)
    count: Counter = field(default_factory=Counter)
    total: Counter = field(default_factory=Counter)
    ends: Counter = field(default_factory=Counter)
    extra: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ("tests.plumbing.counting_worker",)

    @property
    def settings(self) -> Settings:
        return Settings(
            topic_prefix=self.prefix,
            kafka=Kafka(
                bootstrap=self.bootstrap, group=f"{self.prefix}group", partitions=PARTITIONS,
                session_timeout=self.session, heartbeat_interval=0.5, write_deadline=30.0,
            ),
            engine=Engine(commit_interval=self.commit_interval, idle=0.3),
            probes=Probes(host="127.0.0.1", port=0),
        )  # fmt: skip

    # -- processes

    def start(self) -> Child:
        """Start a worker; it says when it is ready by its probe."""
        settings, port = self.settings, free_port()
        kafka = settings.kafka
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "COUNTING_FREEZE": str(self.directory),
            "ACCOUNTPULSE_TOPIC_PREFIX": self.prefix,
            "ACCOUNTPULSE_KAFKA__BOOTSTRAP": kafka.bootstrap,
            "ACCOUNTPULSE_KAFKA__GROUP": kafka.group,
            "ACCOUNTPULSE_KAFKA__SESSION_TIMEOUT": str(kafka.session_timeout),
            "ACCOUNTPULSE_KAFKA__HEARTBEAT_INTERVAL": str(kafka.heartbeat_interval),
            "ACCOUNTPULSE_KAFKA__WRITE_DEADLINE": str(kafka.write_deadline),
            "ACCOUNTPULSE_ENGINE__COMMIT_INTERVAL": str(settings.engine.commit_interval),
            "ACCOUNTPULSE_ENGINE__IDLE": str(settings.engine.idle),
            "ACCOUNTPULSE_PROBES__HOST": "127.0.0.1",
            "ACCOUNTPULSE_PROBES__PORT": str(port),
            **self.extra,
        }
        log = self.directory / f"worker{len(self.children)}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", *self.command],
                cwd=self.directory, env=environment, stdout=sink, stderr=sink,
            )  # fmt: skip
        child = Child(process, port, log)
        self.children.append(child)
        return child

    async def ready(self, child: Child, timeout: float = 40.0) -> None:
        await until(
            lambda: child.get("/ready")[0] == 200, timeout, lambda: f"{child.get('/ready')} {self.logs()}"
        )

    async def stop(self, child: Child, number: int = signal.SIGTERM, timeout: float = 15.0) -> int:
        child.process.send_signal(number)
        return await asyncio.to_thread(child.process.wait, timeout)

    def close(self) -> None:
        for child in self.children:
            if child.process.poll() is None:
                child.process.kill()
                child.process.wait()

    def logs(self) -> str:
        return "\n".join(child.log.read_text()[-3000:] for child in self.children)

    # -- events

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

    async def recreate(self, name: str) -> None:
        """Delete an input and create it again, empty."""
        async with self._admin() as admin:
            await admin.delete_topics([self.prefix + name])
            await asyncio.sleep(1)
        await topics.create(self.settings)

    async def committed(self) -> dict[TopicPartition, tuple[int, str]]:
        """Committed offsets and metadata of the group."""
        async with self._admin() as admin:
            found = await admin.list_consumer_group_offsets(self.settings.kafka.group)
        return {tp: (each.offset, each.metadata) for tp, each in found.items()}

    async def finished(self, timeout: float = 60.0) -> None:
        """Wait until everything produced so far is committed."""
        deadline = time.monotonic() + timeout
        while True:
            committed = await self.committed()
            wanted = {TopicPartition(self.prefix + s, p): end for (s, p), end in self.ends.items()}
            left = {tp: end for tp, end in wanted.items() if committed.get(tp, (0, ""))[0] != end}
            if not left:
                return
            assert time.monotonic() < deadline, f"not committed: {left} of {committed}\n{self.logs()}"
            await asyncio.sleep(0.2)

    @contextlib.asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    async def compact_quickly(self) -> None:
        """Let the broker compact the changelog within seconds."""
        config = {
            "cleanup.policy": "compact",
            "segment.ms": "1000",
            "min.cleanable.dirty.ratio": "0.01",
            "min.compaction.lag.ms": "0",
            "max.compaction.lag.ms": "1500",
            "max.message.bytes": str(topics.ROW_BYTES),  # or the broker's default takes its place
        }
        resource = ConfigResource(ConfigResourceType.TOPIC, self.prefix + "state", configs=config)
        async with self._admin() as admin:
            await admin.alter_configs([resource])

    # -- what came out

    async def read(self, topic: str) -> dict[int, list]:
        """Everything in a topic, by partition, without term records."""
        tps = [TopicPartition(self.prefix + topic, p) for p in range(PARTITIONS)]
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, isolation_level="read_committed")
        await consumer.start()
        found: dict[int, list] = defaultdict(list)
        try:
            consumer.assign(tps)
            await consumer.seek_to_beginning(*tps)
            ends = await consumer.end_offsets(tps)
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                for tp, records in (await consumer.getmany(timeout_ms=500)).items():
                    found[tp.partition] += [r for r in records if r.key is None or r.key[:1] != b"\0"]
        finally:
            await consumer.stop()
        return found

    async def differences(self) -> list[str]:
        """Keys whose state or published score is not what a plain recount says."""
        rows = {r.key: decode_row(r.value) for rs in (await self.read("state")).values() for r in rs}
        scores = {r.key: decode_score(r.value) for rs in (await self.read("scores")).values() for r in rs}
        wrong = []
        for key, count in self.count.items():
            row, score = rows.get(key, Row()), scores.get(key)
            expected = (count, self.total[key])
            if count and ((row.count, row.total) != expected or row.published != count):
                wrong.append(f"{key!r}: state {row}, recount {expected}")
            if count and (score is None or (score.count, score.total) != expected):
                wrong.append(f"{key!r}: score {score}, recount {expected}")
        return wrong

    async def missing_notices(self) -> list[str]:
        """Alerts and dead letters that must be there at least once, and are not."""
        alerts = {(r.key, int(r.value)) for rs in (await self.read("alerts")).values() for r in rs}
        due = {(key, n) for key, count in self.count.items() for n in range(10, count + 1, 10)}
        dead = {r.value for rs in (await self.read("dead-letters")).values() for r in rs}
        rejected = sum(self.ends.values()) - self.count.total()
        lost = [f"alert {each}" for each in sorted(due - alerts)]
        return lost + ([f"{len(dead)} dead letters of {rejected}"] if len(dead) != rejected else [])


async def until(condition, timeout: float, what=lambda: "") -> None:
    """Poll a condition; fails with `what()` when the time is over."""
    deadline = time.monotonic() + timeout
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, what()
        await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def counting_run(bootstrap: str, prefix: str, directory: Path, **options) -> AsyncIterator[Run]:
    """A run with its topics made; all its workers are killed at the end."""
    run = Run(bootstrap, prefix, directory, **options)
    await topics.create(run.settings)
    try:
        yield run
    finally:
        run.close()
