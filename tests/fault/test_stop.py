"""SIGTERM at the moments at which it is hardest to obey, and the state it leaves."""

from __future__ import annotations

import asyncio
import random
import signal
import time

import pytest

from tests.fault.feeds import Feeds
from tests.fault.harness import ONE_SEED, SEEDS, FaultRun, fault_run
from tests.fault.verdict import assert_exact
from tests.plumbing.worker_group import Child, until

pytestmark = pytest.mark.timeout(300)

MOMENTS = ("joining", "taken", "restore", "folding", "scores", "rows", "acknowledged")


@pytest.mark.parametrize("seed", SEEDS)
async def test_stopped_at_every_moment(kafka, topic_prefix, tmp_path, seed, report):
    """SIGTERM while a worker joins, recovers, folds, flushes or has nothing to do ends it with 0 within 5 s, and the next one goes on exactly."""
    chance = random.Random(seed)
    seconds: dict[str, float] = {}
    async with fault_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        [first] = await run.start_ready(1)
        feeds = Feeds(run, seed)
        async with feeds.flowing():
            await asyncio.sleep(chance.uniform(2, 4))
            seconds["loaded"] = await terminated(run, first)
            for moment in chance.sample(MOMENTS, len(MOMENTS)):
                child = await brought_to(run, moment, chance)
                seconds[moment] = await terminated(run, child)
            [last] = await run.start_ready(1)
        await run.finished()
        await asyncio.sleep(2 * run.commit_interval)
        seconds["idle"] = await terminated(run, last)
        await run.start_ready(1)
        report(**{f"{moment}_s": round(took, 1) for moment, took in seconds.items()})
        await assert_exact(run, feeds, report)


async def brought_to(run: FaultRun, moment: str, chance: random.Random) -> Child:
    """A new worker at that moment."""
    if moment == "joining":
        child = run.start()
        await until(lambda: "probes are served" in child.log.read_text(), 20, run.logs)
        await asyncio.sleep(chance.uniform(0, 1.5))
        return child
    child = run.start(FAULT_PAUSE=moment)
    await run.frozen(child, 40)
    return child


async def terminated(run: FaultRun, child: Child) -> float:
    """Seconds between the signal (and the thaw) and the end of the worker."""
    began = time.monotonic()
    child.process.send_signal(signal.SIGTERM)
    run.thaw(child)
    code = await asyncio.to_thread(child.process.wait, 5)
    assert code == 0, child.log.read_text()[-5000:]
    return time.monotonic() - began


@pytest.mark.parametrize("seed", ONE_SEED)
@pytest.mark.parametrize("broker", ["killed", "frozen"])
async def test_stopped_without_a_broker(own_kafka, topic_prefix, tmp_path, broker, seed, report):
    """With the broker gone a worker that holds uncommitted events ends within 10 s of SIGTERM, and not with 0; nothing of it is lost."""
    async with fault_run(own_kafka.bootstrap, topic_prefix, tmp_path) as run:
        [worker] = await run.start_ready(1)
        feeds = Feeds(run, seed)
        async with feeds.flowing():
            await asyncio.sleep(3)
            await run.freeze_at(worker, "rows")
            await asyncio.to_thread(own_kafka.kill if broker == "killed" else own_kafka.pause)
            run.thaw(worker)
            await asyncio.sleep(1)
            code = await run.stop(worker, timeout=10)
            await asyncio.to_thread(own_kafka.restart if broker == "killed" else own_kafka.resume)
            assert code != 0
            await run.start_ready(1)
        await assert_exact(run, feeds, report)
