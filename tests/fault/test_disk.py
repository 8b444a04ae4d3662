"""A broker whose disk takes no more."""

from __future__ import annotations

import asyncio
import random
import resource

import pytest

from tests.fault.feeds import Feeds
from tests.fault.harness import ONE_SEED, fault_run
from tests.fault.verdict import assert_exact
from tests.plumbing.worker_group import until

pytestmark = pytest.mark.timeout(300)
ROOM = 4096
"""Bytes that a file may have from then on: less than every segment has."""


@pytest.mark.parametrize("seed", ONE_SEED)
async def test_disk_of_the_broker_is_full(own_kafka, topic_prefix, tmp_path, seed, report):
    """A broker that cannot append any more, and ends over it, leaves half-written segments: once it has room again nothing differs."""
    async with fault_run(own_kafka.bootstrap, topic_prefix, tmp_path) as run:
        await run.start_ready(2)
        feeds = Feeds(run, seed)
        async with run.watched(restart=True), feeds.flowing():
            await asyncio.sleep(random.Random(seed).uniform(3, 5))
            broker = own_kafka.pid
            assert broker is not None
            resource.prlimit(broker, resource.RLIMIT_FSIZE, (ROOM, ROOM))
            await until(lambda: own_kafka.pid is None, 30, lambda: "the broker found room")
            await asyncio.sleep(3)
            await asyncio.to_thread(own_kafka.restart)
            await run.all_ready()
        assert run.gap >= 3
        await assert_exact(run, feeds, report)
