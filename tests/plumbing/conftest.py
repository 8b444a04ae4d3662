"""Fixtures of the tests of the view."""

import random

import pytest

from streams import topics
from streams.settings import Kafka, Probes, Redis, Settings, View
from tests.plumbing.view_world import PARTITIONS


@pytest.fixture
async def settings(kafka, redis_server, topic_prefix):
    """Settings with topics and keys of this test alone."""
    settings = Settings(
        topic_prefix=topic_prefix,
        kafka=Kafka(bootstrap=kafka.bootstrap, partitions=PARTITIONS),
        redis=Redis(url=redis_server.url, prefix=topic_prefix),
        probes=Probes(host="127.0.0.1", port=0),
        view=View(batch=50),
    )
    await topics.create(settings)
    return settings


@pytest.fixture
def chance():
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed)
