"""The notifier role on a real Kafka and a real Redis."""

import asyncio
import contextlib
from collections import Counter

import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from structlog.testing import capture_logs

from alerts.sinks.base import SinkError
from streams import notifier, topics
from streams.clock import wall_ms
from streams.kafka_clients import admin_client
from streams.notifier import MissingTopicError, create_sinks
from streams.own_records import TERM_KEY
from streams.partitioner import partition_of
from streams.servers.redis import RedisServer
from streams.settings import Engine, Kafka, Redis, Settings, Sinks, Webhook
from tests.plumbing.notifying import (
    PARTITIONS,
    Recorder,
    alerts_of,
    assert_order,
    buried,
    committed,
    delete_before,
    make,
    prepared,
    publish,
    running,
    until,
)
from tests.receiver import always, receiver

HOUR_MS = 3_600_000
COOLING = """
receivers: [{name: all, sink: recorder}]
route: {receiver: all, group_wait: 0s, cooldown: 30d}
"""


def count(registry, fate):
    return registry.get_sample_value("accountpulse_deliveries_total", {"sink": "recorder", "fate": fate})


@pytest.fixture
async def settings(kafka, redis_server, topic_prefix):
    return await prepared(kafka, redis_server, topic_prefix)


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
    values = {fate: count(registry, fate) for fate in ("sent", "undeliverable", "malformed")}
    assert values == {"sent": 15, "undeliverable": 3, "malformed": 2}


async def test_what_a_takeover_tells_again(settings, tmp_path):
    """Thousands of alerts, and all of them again, are looked up without Redis being called away; none is sent twice."""
    sink, registry, alerts = Recorder(), CollectorRegistry(), alerts_of(3000, 1)
    (tmp_path / "routes.yaml").write_text(COOLING)
    settings = settings.model_copy(update={"sinks": Sinks(routes=tmp_path / "routes.yaml")})
    await publish(settings, alerts)
    with capture_logs() as told:
        async with running(settings, sink, registry=registry):
            await until(lambda: len(sink.sent) == 3000)
            await publish(settings, [*alerts, make("new", 0)])
            await until(lambda: count(registry, "already_sent") == 3000 and len(sink.sent) == 3001)
    assert {line["event"] for line in told} == {"probes are served", "alert_handled"}


async def test_terms_of_the_fence_are_passed_over(settings):
    """The records with which workers take the alerts topic over are neither sent nor buried, and are committed."""
    sink = Recorder()
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap) as producer:
        for number in range(PARTITIONS):
            await producer.send_and_wait(
                f"{settings.topic_prefix}alerts", b"0", key=TERM_KEY, partition=number
            )
    await publish(settings, alerts_of(9, 1))  # on both partitions, behind the terms
    async with running(settings, sink):
        await until(lambda: len(sink.sent) == 9)
    assert await buried(settings) == []
    assert await committed(settings) == PARTITIONS + 9


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


async def test_alerts_deleted_unread_are_told(settings):
    """What Kafka deletes while no notifier runs is counted and named; the rest goes out."""
    sink, registry = Recorder(), CollectorRegistry()
    partition = partition_of(b"a-0", PARTITIONS)
    async with running(settings, sink):
        await publish(settings, [make("a-0", n) for n in range(3)])
        await until(lambda: len(sink.sent) == 3)
    await publish(settings, [make("a-0", n) for n in range(3, 9)])
    await delete_before(settings, partition, 7)
    with capture_logs() as told:
        async with running(settings, sink, registry=registry):
            await until(lambda: len(sink.sent) == 5)
            assert count(registry, "deleted") == 4
    assert [line["first"] for line in told if line["event"] == "alerts_deleted_unread"] == [3]
    assert [episode for _, episode in sink.sent] == ["0", "1", "2", "7", "8"]


async def test_alerts_made_anew(settings):
    """A topic of alerts that was deleted and created again is read from its beginning; nothing is called missing."""
    sink, registry = Recorder(), CollectorRegistry()
    async with running(settings, sink):
        await publish(settings, [make("a-0", n) for n in range(5)])
        await until(lambda: len(sink.sent) == 5)
    async with admin_client(settings.kafka) as admin:
        await admin.delete_topics([f"{settings.topic_prefix}alerts"])
    await asyncio.sleep(1)
    await topics.create(settings)
    await publish(settings, [make("a-0", n) for n in range(5, 7)])
    async with running(settings, sink, registry=registry):
        await until(lambda: len(sink.sent) == 7)
        assert count(registry, "deleted") == 0


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
