"""What tests of the notifier share: alerts on a real topic, the role as a task or a process, sinks that remember."""

import asyncio
import contextlib
import os
import subprocess
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from prometheus_client import CollectorRegistry

from alerts.model import Alert, Kind, Phase, Reason, Severity, alert_id, encode_alert
from streams import dead_letters, notifier, topics
from streams.clock import wall_ms
from streams.kafka_clients import admin_client
from streams.partitioner import partition_of
from streams.settings import Kafka, Probes, Redis, Settings

PARTITIONS = 2


class Recorder:
    """A sink that keeps what it gets; `act` may refuse."""

    def __init__(self, name="recorder", act=None) -> None:
        self.name = name
        self.act = act
        self.sent: list[tuple[str, str]] = []

    async def send(self, alert: Alert) -> None:
        await asyncio.sleep(0.001)
        if self.act:
            self.act(alert)
        self.sent.append((alert.account_id, alert.episode))

    async def close(self) -> None:
        pass


async def prepared(kafka, redis_server, topic_prefix) -> Settings:
    """Settings with topics, consumer groups and keys of one test alone."""
    settings = Settings(
        topic_prefix=topic_prefix,
        kafka=Kafka(bootstrap=kafka.bootstrap, group=topic_prefix, partitions=PARTITIONS),
        redis=Redis(url=redis_server.url, prefix=topic_prefix),
        probes=Probes(host="127.0.0.1", port=0),
    )
    await topics.create(settings)
    return settings


def make(account, episode, tick=None, **changes) -> Alert:
    tick = wall_ms() if tick is None else tick
    values = {
        "id": alert_id(account, changes.get("rule", "band_entered"), 0, episode), "phase": Phase.FIRING,
        "rule": "band_entered", "kind": Kind.RISK, "severity": Severity.CRITICAL, "reason": Reason.CONDITION_MET,
        "account_id": account, "term": 0, "episode": str(episode), "at": tick, "tick": tick, "score": 12_000,
        "band": "red",
    }  # fmt: skip
    return Alert(**(values | changes))


async def publish(settings, alerts, timestamp_ms=None) -> None:
    """Alerts, or raw values, in this order."""
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap) as producer:
        for alert in alerts:
            raw = isinstance(alert, bytes)
            key = b"raw" if raw else alert.account_id.encode()
            await producer.send(
                f"{settings.topic_prefix}alerts",
                alert if raw else encode_alert(alert),
                key=key,
                partition=partition_of(key, PARTITIONS),
                timestamp_ms=timestamp_ms,
            )
        await producer.flush()


async def delete_before(settings, partition, offset) -> None:
    """Let the broker delete alerts, as retention does."""
    async with admin_client(settings.kafka) as admin:
        tp = TopicPartition(f"{settings.topic_prefix}alerts", partition)
        await admin.delete_records({tp: RecordsToDelete(before_offset=offset)})


@contextlib.asynccontextmanager
async def running(settings, *sinks, registry=None):
    """The role, until the end of the block; a failure of it is a failure of the test."""
    stop = asyncio.Event()
    role = asyncio.create_task(notifier.run(settings, sinks, registry or CollectorRegistry(), stop))
    try:
        yield role
    finally:
        stop.set()
        async with asyncio.timeout(30):
            await role


async def until(condition, timeout=30.0):
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.02)


async def committed(settings, sink="recorder") -> int:
    """Sum of the committed offsets of a sink's group."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka.bootstrap,
        group_id=f"{settings.kafka.group}-notifier-{sink}",
        enable_auto_commit=False,
    )
    async with consumer:
        offsets = [
            await consumer.committed(TopicPartition(f"{settings.topic_prefix}alerts", number))
            for number in range(PARTITIONS)
        ]
    return sum(offset or 0 for offset in offsets)


async def buried(settings) -> list[dead_letters.DeadLetter]:
    consumer = AIOKafkaConsumer(
        f"{settings.topic_prefix}dead-letters",
        bootstrap_servers=settings.kafka.bootstrap,
        auto_offset_reset="earliest",
    )
    async with consumer:
        batches = await consumer.getmany(timeout_ms=5000)
    return [dead_letters.decode(record.value) for records in batches.values() for record in records]


def alerts_of(accounts: int, each: int) -> list[Alert]:
    return [make(f"a-{number}", episode) for episode in range(each) for number in range(accounts)]


def assert_order(sent) -> None:
    for account in {account for account, _ in sent}:
        episodes = [int(episode) for name, episode in sent if name == account]
        assert episodes == sorted(episodes)


@contextlib.contextmanager
def process(settings, output, **sinks):
    """`accountpulse notifier` as a process that writes to the file `output`; `sinks` as in the settings."""
    environment = (
        os.environ
        | {
            "ACCOUNTPULSE_TOPIC_PREFIX": settings.topic_prefix,
            "ACCOUNTPULSE_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
            "ACCOUNTPULSE_KAFKA__GROUP": settings.kafka.group,
            "ACCOUNTPULSE_KAFKA__SESSION_TIMEOUT": "6",
            "ACCOUNTPULSE_REDIS__URL": settings.redis.url,
            "ACCOUNTPULSE_REDIS__PREFIX": settings.redis.prefix,
            "ACCOUNTPULSE_PROBES__PORT": "0",
        }
        | {f"ACCOUNTPULSE_SINKS__{name.upper()}": str(value) for name, value in sinks.items()}
    )
    command = [sys.executable, "-c", "from streams.cli.main import run; run()", "notifier"]
    with output.open("ab") as file:
        child = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield child
    finally:
        child.kill()
        child.wait()
