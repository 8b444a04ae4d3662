"""Workers that are frozen for longer than their session, and wake up when others have their partitions."""

from __future__ import annotations

import asyncio
import random
import signal
from typing import Any

import pytest

from tests.fault.feeds import Feeds
from tests.fault.harness import ONE_SEED, SEEDS, FaultRun, fault_run
from tests.fault.verdict import assert_exact, judge
from tests.plumbing.worker_group import PARTITIONS, Child, until

pytestmark = pytest.mark.timeout(300)

FENCED = ("state", "scores")


@pytest.mark.parametrize("seed", SEEDS)
async def test_frozen_at_random_moments(kafka, topic_prefix, tmp_path, seed, report):
    """Workers frozen for two sessions at random moments under load change nothing."""
    chance = random.Random(seed)
    async with fault_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        workers = await run.start_ready(2)
        feeds = Feeds(run, seed)
        async with run.watched(restart=True), feeds.flowing():
            for _ in range(2):
                await asyncio.sleep(chance.uniform(1, 3))
                zombie = workers[chance.randrange(2)]
                zombie.process.send_signal(signal.SIGSTOP)
                await taken_over(run, zombie)
                await asyncio.sleep(run.session)
                run.thaw(zombie)
                await asyncio.sleep(chance.uniform(2, 5))
                await run.all_ready()
        await assert_exact(run, feeds, report)


async def taken_over(run: FaultRun, zombie: Child) -> None:
    """Wait until the others own everything, in a generation without the zombie."""

    def of_others() -> list[dict[str, Any]]:
        return [note for note in run.notes("generation") if note["pid"] != zombie.process.pid]

    before = max(note["generation"] for note in of_others())

    def all_theirs() -> bool:
        newest = {note["pid"]: note for note in of_others() if note["generation"] > before}
        return {n for note in newest.values() for n in note["owned"]} == set(range(PARTITIONS))

    await until(lambda: all_theirs() and zombie.stopped, 30, run.logs)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("point", ["scores", "rows"])
async def test_thawed_when_all_is_done(kafka, topic_prefix, tmp_path, point, seed, report):
    """A worker frozen with scores or rows encoded, thawed when others have finished everything, is refused: neither the changelog nor the scores grow."""
    async with fault_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        workers = await run.start_ready(2)
        feeds = Feeds(run, seed, events=3000)
        async with run.watched():
            async with feeds.flowing(8):
                await asyncio.sleep(random.Random(seed).uniform(2, 5))
                zombie = workers[0]
                await run.freeze_at(zombie, point)
                await taken_over(run, zombie)
            await run.finished()
        await asyncio.sleep(2 * run.commit_interval)
        before = await newest(run)
        run.thaw(zombie)
        await until(lambda: run.notes("fenced", zombie), 20, run.logs)
        assert await newest(run) == before, "a zombie wrote"
        await assert_exact(run, feeds, report)


async def newest(run: FaultRun) -> dict[tuple[str, int], int]:
    """The last offset of each partition without those that open a term; compaction leaves it where it is."""
    return {
        (name, number): records[-1].offset
        for name in FENCED
        for number, records in (await run.read(name)).items()
        if records
    }


@pytest.mark.parametrize("seed", SEEDS)
async def test_frozen_before_it_takes_over(kafka, topic_prefix, tmp_path, seed, report):
    """A worker frozen between its assignment and its take-over takes the epoch from a live owner when it wakes up: that one is refused, and nothing is lost."""
    chance = random.Random(seed)
    async with fault_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        await run.start_ready(1)
        feeds = Feeds(run, seed)
        async with run.watched(restart=True), feeds.flowing():
            await asyncio.sleep(chance.uniform(1, 3))
            thief = run.start(FAULT_PAUSE="acquire")
            await run.frozen(thief)
            await taken_over(run, thief)
            await asyncio.sleep(chance.uniform(1, 4))
            run.thaw(thief)
            await until(lambda: run.notes("fenced"), 30, run.logs)
            await asyncio.sleep(chance.uniform(2, 4))
            await run.all_ready()
        await assert_exact(run, feeds, report)


@pytest.mark.parametrize("seed", ONE_SEED)
async def test_a_missing_epoch_is_found(kafka, topic_prefix, tmp_path, seed):
    """If the broker let every worker write, the rows of the one that wakes up last would show: the judgement can fail."""
    async with fault_run(
        kafka.bootstrap, topic_prefix, tmp_path, extra={"FAULT_BUG": "no_epoch_fence"}
    ) as run:
        zombie, _ = await run.start_ready(2)
        feeds = Feeds(run, seed, events=2000)
        async with feeds.flowing(8):
            await asyncio.sleep(3)
            while (await run.freeze_at(zombie, "rows"))["records"] <= PARTITIONS:
                run.thaw(
                    zombie
                )  # these may be the accounts alone that open and close feeds, which nobody compares
            await taken_over(run, zombie)
        await run.finished()
        before = await newest(run)
        run.arm(
            zombie, "written"
        )  # or it commits its old offsets, reads all of it again, and so repairs what it did
        run.thaw(zombie)
        await until(lambda: run.notes("pause", zombie)[-1]["point"] == "written", 20, run.logs)
        assert any(at > before.get(tp, -1) for tp, at in (await newest(run)).items() if tp[0] == "state")
        found = (await judge(run, feeds, live=False)).differences
    assert any(text.startswith("rebuilt[") for text in found)
