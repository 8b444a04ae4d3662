"""Kill -9 at every point that matters, and SIGTERM at random ones."""

from __future__ import annotations

import asyncio
import random
import signal

import pytest

from tests.fault.feeds import Feeds
from tests.fault.harness import ONE_SEED, SEEDS, FaultRun, fault_run
from tests.fault.verdict import assert_exact, judge
from tests.plumbing.worker_group import Child, until

pytestmark = pytest.mark.timeout(300)

POINTS = ("scores", "rows", "acknowledged", "folding")
RECOVERING = ("acquire", "taken", "restore")


@pytest.mark.parametrize("seed", SEEDS)
async def test_killed_at_every_point(kafka, topic_prefix, tmp_path, seed, report):
    """A worker killed while it folds, with rows encoded, sent or acknowledged, costs nothing; what it had written is fenced off when it is read again."""
    chance = random.Random(seed)
    async with fault_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        workers = await run.start_ready(2)
        feeds = Feeds(run, seed)
        async with run.watched(), feeds.flowing():
            for point in chance.sample(POINTS, len(POINTS)):
                await asyncio.sleep(chance.uniform(0.5, 2))
                before = run.replayed
                await kill_at(run, workers.pop(chance.randrange(2)), point)
                workers.append(run.start())
                await run.all_ready()
                if point == "acknowledged":
                    await read_again(run, before)
        await assert_exact(run, feeds, report)


async def kill_at(run: FaultRun, victim: Child, point: str) -> None:
    note = await run.freeze_at(victim, point)
    assert note["point"] == point
    run.kill(victim)


async def read_again(run: FaultRun, before: int) -> None:
    """The rows of the dead worker had been written, their offsets had not been committed."""
    await until(lambda: run.replayed > before, 20, lambda: f"nothing was read again\n{run.logs()}")


@pytest.mark.parametrize("seed", SEEDS)
async def test_killed_in_recovery(kafka, topic_prefix, tmp_path, seed, report):
    """A worker killed again and again before it took over, after it did, and in the middle of reading rows leaves the truth to the last one."""
    chance = random.Random(seed)
    async with fault_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        workers = await run.start_ready(2)
        feeds = Feeds(run, seed)
        async with run.watched(), feeds.flowing():
            await asyncio.sleep(chance.uniform(3, 6))
            run.kill(workers[chance.randrange(2)])
            for point in chance.sample(RECOVERING, len(RECOVERING)):
                child = run.start(FAULT_PAUSE=point)
                await run.frozen(child)
                assert [note["point"] for note in run.notes("pause", child)] == [point]
                run.kill(child)
            run.start()
            await run.all_ready()
        await assert_exact(run, feeds, report)


@pytest.mark.parametrize("seed", SEEDS)
async def test_terminated_at_random_moments(kafka, topic_prefix, tmp_path, seed, report):
    """SIGTERM under load ends a worker with 0 within 5 s, and no event goes without a fate."""
    chance = random.Random(seed)
    async with fault_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        workers = await run.start_ready(2)
        feeds = Feeds(run, seed)
        async with run.watched(), feeds.flowing():
            for _ in range(3):
                await asyncio.sleep(chance.uniform(1, 3))
                victim = workers.pop(chance.randrange(2))
                assert await run.stop(victim, signal.SIGTERM, timeout=5) == 0, run.logs()
                workers.append(run.start())
                await run.all_ready()
        await assert_exact(run, feeds, report)
        fates, got = feeds.fates(await feeds.expected()), run.fates()
        assert not fates - got, f"expected {fates}, got {got}"


@pytest.mark.parametrize("seed", ONE_SEED)
async def test_a_missing_fence_is_found(kafka, topic_prefix, tmp_path, seed):
    """If rows did not remember which offsets they hold, the first worker killed before its commit would show: the judgement can fail."""
    async with fault_run(
        kafka.bootstrap, topic_prefix, tmp_path, extra={"FAULT_BUG": "no_offset_fence"}
    ) as run:
        [worker] = await run.start_ready(1)
        feeds = Feeds(run, seed, events=2000)
        async with feeds.flowing():
            await asyncio.sleep(3)
            await kill_at(run, worker, "acknowledged")
            await run.start_ready(1)
        await run.finished()
        found = (await judge(run, feeds)).differences
    assert any(text.startswith("live[") for text in found)
    assert any(text.startswith("rebuilt[") for text in found)
