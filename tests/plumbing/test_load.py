"""`accountpulse load` on a real Kafka: the past once, then events at the rate, until it is stopped."""

import os
import signal
import subprocess
import sys
import time

from aiokafka import AIOKafkaConsumer, TopicPartition

from scoring.events import SOURCES
from streams import topics
from streams.demo.stories import STORIES
from streams.settings import Kafka, Settings

RATE = 40


async def records(settings: Settings) -> dict[str, int]:
    """Records of each input topic."""
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka.bootstrap) as consumer:
        numbers = range(settings.kafka.partitions)
        tps = [TopicPartition(settings.topic_prefix + source, n) for source in SOURCES for n in numbers]
        ends = await consumer.end_offsets(tps)
    return {
        source: sum(end for tp, end in ends.items() if tp.topic.endswith(f".{source}")) for source in SOURCES
    }


def loaded(settings: Settings, seconds: float) -> str:
    """Runs the load until it has been live for so long; returns what it printed."""
    command = [
        sys.executable, "-m", "streams.cli.main", "load",
        f"--rate={RATE}", f"--accounts={len(STORIES)}", "--past-seconds=1",
    ]  # fmt: skip
    environment = os.environ | {
        "ACCOUNTPULSE_TOPIC_PREFIX": settings.topic_prefix,
        "ACCOUNTPULSE_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "PYTHONUNBUFFERED": "1",
    }
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        printed = ""
        for line in process.stdout:
            printed += line
            if line.startswith("live"):
                break
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 130
    return printed


async def test_past_once_then_live(kafka, topic_prefix):
    """The first run sends a past of every kind and goes on at the rate; a second one leaves the past out. Ctrl-C ends both."""
    settings = Settings(topic_prefix=topic_prefix, kafka=Kafka(bootstrap=kafka.bootstrap))
    await topics.create(settings)
    assert "the past" in loaded(settings, 0.5)
    first = await records(settings)
    assert all(first.values())
    assert "the past" not in loaded(settings, 3)
    second = await records(settings)
    assert RATE < second["usage"] - first["usage"] < 10 * RATE
    assert {k: v for k, v in second.items() if k != "usage"} == {
        k: v for k, v in first.items() if k != "usage"
    }
