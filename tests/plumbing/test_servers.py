"""The servers for tests and demo are the real thing, and can be broken on purpose."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis import Redis
from redis.exceptions import RedisError

from streams.servers.embedded import EmbeddedKafka
from streams.servers.kafka import QUICK_FAULTS, KafkaServer
from streams.servers.process import ServerProcess, ServerUnavailableError
from streams.servers.redis import RedisServer
from tests.servers import KafkaAddress, RedisAddress, address


async def _send(bootstrap: str, topic: str, value: bytes) -> int:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        return (await producer.send_and_wait(topic, value, partition=0)).offset


async def test_kafka_fixture_does_not_create_topics_by_itself(kafka: KafkaAddress, topic_prefix: str):
    """The broker keeps what it is told, and a mistyped topic name creates nothing."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(f"{topic_prefix}a", 1, 1)])
    assert await _send(kafka.bootstrap, f"{topic_prefix}a", b"x") == 0
    assert f"{topic_prefix}b" not in await admin.list_topics()
    await admin.close()


def test_redis_fixture_answers(redis_server: RedisAddress):
    """The fixture's address is a Redis that keeps a key."""
    with Redis.from_url(redis_server.url) as client:
        client.set("test:servers", "1", ex=10)
        assert client.get("test:servers") == b"1"


@pytest.mark.fault
async def test_kafka_keeps_port_and_data_through_kill_and_restart():
    """A killed broker comes back with data and address, a frozen one is silent until thawed."""
    with KafkaServer(properties=QUICK_FAULTS) as server:
        admin = AIOKafkaAdminClient(bootstrap_servers=server.bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic("kept", 1, 1)])
        await admin.close()
        await _send(server.bootstrap, "kept", b"x")
        server.kill()
        await asyncio.to_thread(server.restart)
        where = TopicPartition("kept", 0)
        async with AIOKafkaConsumer(bootstrap_servers=server.bootstrap) as consumer:
            assert await consumer.end_offsets([where]) == {where: 1}
            server.pause()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(consumer.end_offsets([where]), 1)
            server.resume()
            assert await consumer.end_offsets([where]) == {where: 1}


def test_redis_restarts_empty_on_the_same_port():
    """A restarted Redis has forgotten everything: the view and the delivery log must cope."""
    with RedisServer() as server, Redis.from_url(server.url) as client:
        client.set("a", "1")
        server.kill()
        with pytest.raises(RedisError):
            client.get("a")
        server.restart()
        assert client.get("a") is None


def test_server_that_ends_at_once_says_why(tmp_path):
    """The error of a server that cannot start carries what it printed."""
    process = ServerProcess(["sh", "-c", "echo no such luck; exit 3"], tmp_path / "log")
    with pytest.raises(ServerUnavailableError, match="no such luck"):
        process.start(lambda: False, timeout=5)


async def test_embedded_broker_speaks_kafka():
    """The embedded broker has the topics asked for with their partition counts and takes records."""
    with EmbeddedKafka({"in": 3}) as broker:
        broker.create_topic("late", 2)
        await _send(broker.bootstrap, "in", b"x")
        async with AIOKafkaConsumer("in", "late", bootstrap_servers=broker.bootstrap) as consumer:
            assert [len(consumer.partitions_for_topic(topic) or ()) for topic in ("in", "late")] == [3, 2]
            where = TopicPartition("in", 0)
            assert await consumer.end_offsets([where]) == {where: 1}


def test_embedded_broker_refuses_what_it_does_not_know():
    """A topic without a valid partition count is an error, not a silent default."""
    with pytest.raises(ServerUnavailableError, match="embedded broker"):
        EmbeddedKafka({"in": 0}).start()


def test_address_of_the_environment_comes_first(monkeypatch):
    """A server named by the environment is used, and none is started."""
    monkeypatch.setenv("SOME_SERVER", "there:1")
    with address("SOME_SERVER", pytest.fail, pytest.fail) as found:
        assert found == "there:1"
