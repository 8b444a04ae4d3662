"""Hours of random faults, on demand: ACCOUNTPULSE_TEST_SOAK_MINUTES=60 make fault."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from pathlib import Path

import pytest

from streams.servers.kafka import KafkaServer
from tests.fault.feeds import Feeds
from tests.fault.harness import ONE_SEED, FaultRun, fault_run
from tests.fault.verdict import assert_exact
from tests.plumbing.worker_group import Child

MINUTES = float(os.environ.get("ACCOUNTPULSE_TEST_SOAK_MINUTES", "0"))
PAUSE_S = 10, 30
EVENTS_A_MINUTE = 2000
pytestmark = [
    pytest.mark.timeout(60 * MINUTES + 600),
    pytest.mark.skipif(not MINUTES, reason="a soak is asked for with ACCOUNTPULSE_TEST_SOAK_MINUTES"),
]


@pytest.mark.parametrize("seed", ONE_SEED)
async def test_soak(own_kafka, topic_prefix, tmp_path, seed, report):
    """A worker killed, stopped or frozen, or the broker killed, every 10 to 30 s: nothing differs, and the worker that was spared does not grow."""
    chance = random.Random(seed)
    async with fault_run(own_kafka.bootstrap, topic_prefix, tmp_path) as run:
        spared, _ = await run.start_ready(2)
        feeds = Feeds(run, seed, events=int(EVENTS_A_MINUTE * MINUTES) + 3000)
        sizes: list[int] = []
        async with run.watched(restart=True), feeds.flowing(40 * MINUTES):
            until_then, faults = time.monotonic() + 60 * MINUTES, 0
            while time.monotonic() < until_then:
                await asyncio.sleep(chance.uniform(*PAUSE_S))
                await fault(chance, own_kafka, run, [child for child in run.alive if child is not spared])
                await run.all_ready(90)
                faults += 1
                sizes.append(rss_mb(spared))
        early, late = max(sizes[: max(1, len(sizes) // 4)]), max(sizes[-max(1, len(sizes) // 4) :])
        report(faults=faults, spared_mb_early=early, spared_mb_late=late)
        assert late < 1.3 * max(early, 150)
        await assert_exact(run, feeds, report)


async def fault(chance: random.Random, broker: KafkaServer, run: FaultRun, others: list[Child]) -> None:
    """One of four."""
    victim = chance.choice(others)
    match chance.choice(("kill", "stop", "freeze", "broker")):
        case "kill":
            run.kill(victim)
        case "stop":
            await run.stop(victim)
        case "freeze":
            victim.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(2.5 * run.session)
            run.thaw(victim)
        case _:
            await asyncio.to_thread(broker.kill)
            await asyncio.sleep(chance.uniform(0, 5))
            await asyncio.to_thread(broker.restart)


def rss_mb(child: Child) -> int:
    """Resident memory of a worker."""
    with Path(f"/proc/{child.process.pid}/statm").open() as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
