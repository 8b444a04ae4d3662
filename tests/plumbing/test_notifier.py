"""The notifier role on a real Kafka and a real Redis."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections import Counter

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from alerts.model import Alert, Kind, Phase, Reason, Severity, alert_id, encode_alert
from alerts.sinks.base import SinkError
from streams import dead_letters, notifier, topics
from streams.clock import wall_ms
from streams.notifier import MissingTopicError, create_sinks
from streams.partitioner import partition_of
from streams.servers.kafka import KafkaServer
from streams.servers.redis import RedisServer
from streams.settings import Engine, Kafka, Probes, Redis, Settings, Sinks, Webhook
from streams.sink_consumer import Prefix
from tests.receiver import always, receiver

PARTITIONS = 2
HOUR_MS = 3_600_000


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


@pytest.fixture
async def settings(kafka, redis_server, topic_prefix):
    """Settings with topics, consumer groups and keys of this test alone."""
    settings = Settings(
        topic_prefix=topic_prefix,
        kafka=Kafka(bootstrap=kafka.bootstrap, group=topic_prefix, partitions=PARTITIONS),
        redis=Redis(url=redis_server.url, prefix=topic_prefix),
        probes=Probes(host="127.0.0.1", port=0),
    )
    await topics.create(settings)
    return settings


def make(account, episode, tick=None) -> Alert:
    tick = wall_ms() if tick is None else tick
    return Alert(
        id=alert_id(account, "band_entered", 0, episode), phase=Phase.FIRING, rule="band_entered",
        kind=Kind.RISK, severity=Severity.CRITICAL, reason=Reason.CONDITION_MET, account_id=account, term=0,
        episode=str(episode), at=tick, tick=tick, score=12_000, band="red",
    )  # fmt: skip


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


async def test_delivers_buries_and_commits(settings):
    """Alerts are sent in order per account; refused and unreadable ones are buried; all is committed."""

    def act(alert):
        if alert.account_id == "a-3":
            raise SinkError("answered 410", retryable=False)

    sink, registry = Recorder(act=act), CollectorRegistry()
    await publish(settings, [*alerts_of(6, 3), b"no json", b'{"id":"half"}'])
    async with running(settings, sink, registry=registry):
        await until(lambda: len(sink.sent) == 15)
    assert_order(sink.sent)
    letters = await buried(settings)
    assert Counter(letter.reason for letter in letters) == {"undeliverable": 3, "malformed": 2}
    assert {letter.detail for letter in letters if letter.reason == "undeliverable"} == {
        "recorder: answered 410"
    }
    assert await committed(settings) == 20
    values = {
        fate: registry.get_sample_value("accountpulse_deliveries_total", {"sink": "recorder", "fate": fate})
        for fate in ("sent", "undeliverable", "malformed")
    }
    assert values == {"sent": 15, "undeliverable": 3, "malformed": 2}


async def test_restart_and_republication_send_nothing_twice(settings):
    """After an orderly restart, and with everything published once more, nothing is sent again."""
    alerts, sink = alerts_of(5, 4), Recorder()
    await publish(settings, alerts)
    async with running(settings, sink):
        await until(lambda: len(sink.sent) == 20)
    await publish(settings, [*alerts, make("new", 0)])
    async with running(settings, sink):
        await until(lambda: ("new", "0") in sink.sent)
    assert len(sink.sent) == 21
    assert await committed(settings) == 41


async def test_a_dead_sink_delays_no_other(settings):
    """While a webhook answers 503 another sink gets everything; once it is back it gets everything, too."""
    async with receiver() as server:
        server.answer = always(503, Retry_After="1")
        url = SecretStr(f"http://127.0.0.1:{server.port}/")
        both = settings.model_copy(update={"sinks": Sinks(webhook=Webhook(url=url, secret=SecretStr("k")))})
        healthy = Recorder()
        await publish(settings, alerts_of(4, 3))
        async with running(both, healthy, *create_sinks(both)):
            await until(lambda: len(healthy.sent) == 12 and server.requests)
            assert await committed(settings, "webhook") == 0
            accepted = len(server.requests)
            server.answer = always(200)
            await until(
                lambda: len({r.headers["accountpulse-alert-id"] for r in server.requests[accepted:]}) == 12
            )
        assert len(server.requests[accepted:]) == 12
        assert await committed(settings, "webhook") == 12


async def test_redis_away(settings):
    """Without Redis nothing is sent and nothing fails; with it back delivery goes on, each alert once."""
    sink = Recorder()
    with contextlib.closing(RedisServer()) as server:
        away = settings.model_copy(update={"redis": Redis(url=server.url, prefix=settings.topic_prefix)})
        await publish(settings, alerts_of(3, 2))
        async with running(away, sink) as role:
            await asyncio.sleep(2)
            assert not role.done()
            assert sink.sent == []
            await asyncio.to_thread(server.start)
            await until(lambda: len(sink.sent) == 6)
            await asyncio.to_thread(server.kill)
            await publish(settings, [make("later", 0)])
            await asyncio.sleep(1)
            assert not role.done()
            await asyncio.to_thread(server.start)
            await until(lambda: len(sink.sent) == 7)
    assert len(set(sink.sent)) == 7


async def test_new_sink_starts_hours_back(settings):
    """A sink without offsets hears of the last hours, not of all that the topic keeps."""
    now = wall_ms()
    for age in (48, 7):
        then = now - age * HOUR_MS
        await publish(settings, [make(f"old-{age}", n, then) for n in range(4)], timestamp_ms=then)
    await publish(settings, [make("young", 0)])
    sink = Recorder()
    async with running(settings, sink):
        await until(lambda: sink.sent)
        await asyncio.sleep(1.5)
    assert sink.sent == [("young", "0")]


async def test_backlog_after_an_outage_is_delivered(settings):
    """A sink that has been here before gets what was published while it was away, however long that was."""
    sink = Recorder()
    brief = settings.model_copy(update={"engine": Engine(cold_start_hours=1 / 3600)})
    async with running(brief, sink):
        await publish(settings, [make("first", 0)])
        await until(lambda: sink.sent)
    await publish(settings, [make(f"missed-{n}", 0) for n in range(8)])
    await asyncio.sleep(3)
    async with running(brief, sink):
        await until(lambda: len(sink.sent) == 9)


async def test_rebalance_sends_everything_once(settings):
    """While a second notifier joins and leaves, each alert is sent once, in order per account."""
    first, second = Recorder(), Recorder()
    published: list[tuple[str, str]] = []

    async def publish_until(condition) -> None:
        async with asyncio.timeout(40):
            while not condition():
                alerts = [make(f"a-{number}", len(published)) for number in range(20)]
                published.extend((alert.account_id, alert.episode) for alert in alerts)
                await publish(settings, alerts)
                await asyncio.sleep(0.05)

    async with running(settings, first):
        await publish_until(lambda: len(first.sent) >= 40)
        async with running(settings, second):
            await publish_until(lambda: len(second.sent) >= 40)
        before = len(first.sent)
        await publish_until(lambda: len(first.sent) >= before + 40)
        await until(lambda: len(first.sent) + len(second.sent) >= len(published))
    assert sorted(first.sent + second.sent) == sorted(published)
    assert_order(first.sent)
    assert_order(second.sent)


async def test_missing_topics(kafka, redis_server, topic_prefix):
    """Without its topics the role says which, and how to get them."""
    settings = Settings(
        topic_prefix=topic_prefix, kafka=Kafka(bootstrap=kafka.bootstrap), redis=Redis(url=redis_server.url)
    )
    with pytest.raises(MissingTopicError, match="dead-letters; create them: accountpulse topics create"):
        await notifier.run(settings, [], CollectorRegistry(), asyncio.Event())


@contextlib.contextmanager
def process(settings, url, output):
    """`accountpulse notifier` as a process that writes to the file `output`."""
    environment = os.environ | {
        "ACCOUNTPULSE_TOPIC_PREFIX": settings.topic_prefix,
        "ACCOUNTPULSE_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "ACCOUNTPULSE_KAFKA__GROUP": settings.kafka.group,
        "ACCOUNTPULSE_KAFKA__SESSION_TIMEOUT": "6",
        "ACCOUNTPULSE_REDIS__URL": settings.redis.url,
        "ACCOUNTPULSE_REDIS__PREFIX": settings.redis.prefix,
        "ACCOUNTPULSE_SINKS__WEBHOOK__URL": url,
        "ACCOUNTPULSE_SINKS__WEBHOOK__SECRET": "s3cret",
        "ACCOUNTPULSE_PROBES__PORT": "0",
    }
    command = [sys.executable, "-c", "from streams.cli.main import run; run()", "notifier"]
    with output.open("ab") as file:
        child = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


@pytest.mark.fault
async def test_kill_and_restart_lose_nothing(settings, tmp_path):
    """Through kill -9 every alert arrives; repeated is at most what was under way, under its old id."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    alerts = alerts_of(40, 10)
    async with receiver() as server:
        url = f"http://user:pa55word@127.0.0.1:{server.port}/hook"
        await publish(settings, alerts)
        for _ in range(2):
            with process(settings, url, tmp_path / "output") as child:
                goal = len(server.requests) + chance.randrange(20, 120)
                await until(lambda goal=goal: len(server.requests) >= goal)
                child.kill()
        with process(settings, url, tmp_path / "output") as child:
            await until(
                lambda: len({r.headers["accountpulse-alert-id"] for r in server.requests}) == len(alerts)
            )
            child.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(child.wait, 20) == 0
    counts = Counter(request.headers["accountpulse-alert-id"] for request in server.requests)
    assert len(counts) == len(alerts)
    assert len(server.requests) - len(alerts) <= 2 * 8
    output = (tmp_path / "output").read_text()
    assert "alert_handled" in output
    assert "pa55word" not in output
    assert "s3cret" not in output
    assert await committed(settings, "webhook") == len(alerts)


@pytest.mark.fault
async def test_ends_in_time_without_broker(redis_server, topic_prefix, tmp_path):
    """With the broker gone, SIGTERM still ends the process, hard and non-zero, within its deadline."""
    async with receiver() as server:
        with KafkaServer() as broker:
            settings = Settings(
                topic_prefix=topic_prefix,
                kafka=Kafka(bootstrap=broker.bootstrap, group=topic_prefix, partitions=PARTITIONS),
                redis=Redis(url=redis_server.url, prefix=topic_prefix),
            )
            await topics.create(settings)
            await publish(settings, alerts_of(3, 1))
            with process(settings, f"http://127.0.0.1:{server.port}/", tmp_path / "output") as child:
                await until(lambda: len(server.requests) == 3)
                await publish(settings, [make("last", 0)])
                await until(lambda: len(server.requests) == 4)
                broker.kill()
                child.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(child.wait, 20) in {0, 3}


def test_prefix():
    """The offset to commit follows the contiguous prefix, whatever the order of completion and the gaps."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    offsets = sorted(chance.sample(range(5, 500), 100))
    prefix = Prefix(5)
    for offset in offsets:
        prefix.start(offset)
    left = set(offsets)
    for offset in chance.sample(offsets, len(offsets)):
        prefix.finish(offset)
        left.remove(offset)
        done_before_first_open = [o for o in offsets if not left or o < min(left)]
        assert prefix.position == (done_before_first_open[-1] + 1 if done_before_first_open else 5)
