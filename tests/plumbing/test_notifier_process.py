"""The notifier as a process: killed, stopped, without its broker; and the offsets it commits."""

import asyncio
import random
import signal
from collections import Counter

import pytest

from streams import topics
from streams.servers.kafka import KafkaServer
from streams.settings import Kafka, Redis, Settings
from streams.sink_consumer import Prefix
from tests.plumbing.notifying import PARTITIONS, alerts_of, committed, make, prepared, process, publish, until
from tests.receiver import receiver


@pytest.fixture
async def settings(kafka, redis_server, topic_prefix):
    return await prepared(kafka, redis_server, topic_prefix)


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
            with process(settings, tmp_path / "output", webhook__url=url, webhook__secret="s3cret") as child:
                goal = len(server.requests) + chance.randrange(20, 120)
                await until(lambda goal=goal: len(server.requests) >= goal)
                child.kill()
        with process(settings, tmp_path / "output", webhook__url=url, webhook__secret="s3cret") as child:
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
    """With the broker gone, SIGTERM still ends the process within its deadline, and not with 0."""
    async with receiver() as server:
        with KafkaServer() as broker:
            settings = Settings(
                topic_prefix=topic_prefix,
                kafka=Kafka(bootstrap=broker.bootstrap, group=topic_prefix, partitions=PARTITIONS),
                redis=Redis(url=redis_server.url, prefix=topic_prefix),
            )
            await topics.create(settings)
            await publish(settings, alerts_of(3, 1))
            url = f"http://127.0.0.1:{server.port}/"
            with process(settings, tmp_path / "output", webhook__url=url, webhook__secret="k") as child:
                await until(lambda: len(server.requests) == 3)
                await publish(settings, [make("last", 0)])
                await until(lambda: len(server.requests) == 4)
                broker.kill()
                child.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(child.wait, 20) == 3
                assert "no broker" in (tmp_path / "output").read_text().lower()


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
