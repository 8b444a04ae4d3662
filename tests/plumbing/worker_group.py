"""A group of worker processes on topics of its own: started, stopped, asked, and what they left in the topics."""

import asyncio
import contextlib
import os
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

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams import topics
from streams.own_records import CLOCK_KEY, is_own
from streams.servers.process import free_port
from streams.settings import Engine, Kafka, Probes, Settings

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
class WorkerGroup:
    """One group of workers on topics of its own."""

    bootstrap: str
    prefix: str
    directory: Path
    session: float = 6.0
    commit_interval: float = 0.3
    replicas: int = 1
    children: list[Child] = field(default_factory=list)
    ends: Counter = field(default_factory=Counter)
    extra: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ("streams.cli.main", "worker")

    @property
    def settings(self) -> Settings:
        return Settings(
            topic_prefix=self.prefix,
            kafka=Kafka(
                bootstrap=self.bootstrap, group=f"{self.prefix}group", partitions=PARTITIONS,
                session_timeout=self.session, heartbeat_interval=0.5, write_deadline=30.0,
                replication_factor=self.replicas,
            ),
            engine=Engine(commit_interval=self.commit_interval, idle=0.3),
            probes=Probes(host="127.0.0.1", port=0),
        )  # fmt: skip

    # -- processes

    def environment(self, port: int) -> dict[str, str]:
        """What a worker is told; its probes listen on `port`."""
        settings, kafka = self.settings, self.settings.kafka
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
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

    def start(self, **extra: str) -> Child:
        """Start a worker; it says when it is ready by its probe. `extra` goes into its environment."""
        port = free_port()
        environment = {**self.environment(port), **extra}
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

    # -- what the broker holds

    async def recreate(self, name: str) -> None:
        """Delete an input and create it again, empty."""
        async with self.admin() as admin:
            await admin.delete_topics([self.prefix + name])
            await asyncio.sleep(1)
        await topics.create(self.settings)

    async def delete_before(self, name: str, partition: int, offset: int) -> None:
        """Let the broker delete what lies before an offset, as retention does."""
        async with self.admin() as admin:
            await admin.delete_records({self.tp(name, partition): RecordsToDelete(before_offset=offset)})

    def tp(self, name: str, partition: int) -> TopicPartition:
        """A partition of a topic, by its name without the prefix."""
        return TopicPartition(self.prefix + name, partition)

    async def committed(self, timeout: float = 40.0) -> dict[TopicPartition, tuple[int, str]]:
        """Committed offsets and metadata of the group."""
        async with self.admin(timeout) as admin:
            found = await admin.list_consumer_group_offsets(self.settings.kafka.group)
        return {tp: (each.offset, each.metadata) for tp, each in found.items()}

    async def finished(self, timeout: float = 60.0) -> None:
        """Wait until everything produced so far is committed."""
        deadline = time.monotonic() + timeout
        while True:
            committed = await self.committed()
            wanted = {self.tp(source, p): end for (source, p), end in self.ends.items()}
            left = {tp: end for tp, end in wanted.items() if committed.get(tp, (0, ""))[0] != end}
            if not left:
                return
            assert time.monotonic() < deadline, f"not committed: {left} of {committed}\n{self.logs()}"
            await asyncio.sleep(0.2)

    @contextlib.asynccontextmanager
    async def admin(self, timeout: float = 40.0) -> AsyncIterator[AIOKafkaAdminClient]:
        """A client for a moment; `timeout` bounds each of its requests."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=int(timeout * 1000))
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()

    async def compact_quickly(self, *names: str, **changes: str) -> None:
        """Let the broker compact topics (the changelog, if none is named) within seconds."""
        config = {
            "cleanup.policy": "compact",
            "segment.ms": "1000",
            "min.cleanable.dirty.ratio": "0.01",
            "min.compaction.lag.ms": "0",
            "max.compaction.lag.ms": "1500",
            **{name.replace("_", "."): value for name, value in changes.items()},
        }
        await self.alter(*(names or ("state",)), **config)

    async def alter(self, *names: str, **config: str) -> None:
        """Change the configuration of topics; the rest stays as the product makes it."""
        own = {spec.name: spec.config for spec in topics.topic_specs(self.settings)}
        resources = [
            ConfigResource(ConfigResourceType.TOPIC, topic, configs={**own[topic], **config})
            for topic in (self.prefix + name for name in names)
        ]
        async with self.admin() as admin:
            await admin.alter_configs(resources)

    async def ends_of(self, name: str) -> dict[TopicPartition, int]:
        """Where the partitions of a topic end."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap)
        await consumer.start()
        try:
            return await consumer.end_offsets([self.tp(name, p) for p in range(PARTITIONS)])
        finally:
            await consumer.stop()

    async def read(self, topic: str, *, clock: bool = False) -> dict[int, list]:
        """Everything in a topic, by partition, without term records; with those of the changelog's clock if wanted."""
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
                    found[tp.partition] += [
                        r for r in records if not is_own(r.key) or (clock and r.key == CLOCK_KEY)
                    ]
        finally:
            await consumer.stop()
        return found


async def until(condition, timeout: float, what=lambda: "") -> None:
    """Poll a condition; fails with `what()` when the time is over."""
    deadline = time.monotonic() + timeout
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, what()
        await asyncio.sleep(0.1)
