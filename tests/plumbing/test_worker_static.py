"""Workers with a name: back within the session they find their partitions, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest

from tests.plumbing.counting_run import Run, counting_run
from tests.plumbing.worker_group import Child, until


def launch(run: Run, name: str) -> Child:
    run.extra = {"ACCOUNTPULSE_KAFKA__INSTANCE_ID": name}
    return run.start()


def partitions(child: Child) -> list[int]:
    return json.loads(child.get("/ready")[1])["partitions"]


def assignments(child: Child) -> int:
    """How often a rebalance gave this worker partitions."""
    return child.log.read_text().count("partitions assigned")


async def both_ready(run: Run, *workers: Child) -> None:
    await asyncio.gather(*(run.ready(worker) for worker in workers))
    await until(lambda: all(partitions(worker) and assignments(worker) for worker in workers), 20, run.logs)
    await asyncio.sleep(0.5)  # the line is written a moment after the probe says so


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_restart_within_the_session_moves_no_partition(kafka, topic_prefix, tmp_path, number):
    """Each of two named workers is stopped or killed and started again; the other is not assigned anew, and no key differs."""
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path, session=20.0) as run:
        workers = {name: launch(run, name) for name in ("a", "b")}
        await both_ready(run, *workers.values())
        await until(lambda: sum(len(partitions(w)) for w in workers.values()) == 4, 20, run.logs)
        for name, other, seed in (("a", "b", 11), ("b", "a", 13)):
            await run.produce(2_000, seed)
            held, before = partitions(workers[name]), assignments(workers[other])
            await run.stop(workers[name], number)
            await run.produce(1_000, seed + 1)
            workers[name] = launch(run, name)
            await run.ready(workers[name])
            await run.finished()
            await asyncio.sleep(0.5)
            assert partitions(workers[name]) == held, run.logs()
            assert assignments(workers[other]) == before, "the other worker was rebalanced"
        assert [await run.stop(worker) for worker in workers.values()] == [0, 0]
        assert await run.differences() == []
        assert await run.missing_notices() == []


async def test_the_older_of_two_with_one_name_ends(kafka, topic_prefix, tmp_path):
    """A worker frozen while another took its name over ends with 3 when it is thawed and says why; the other goes on undisturbed."""
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path, session=20.0) as run:
        first = launch(run, "a")
        await run.ready(first)
        await run.produce(2_000, seed=1)
        await run.finished()
        first.process.send_signal(signal.SIGSTOP)
        await run.produce(2_000, seed=2)
        second = launch(run, "a")
        await run.ready(second)
        await run.finished()
        await until(lambda: assignments(second), 20, run.logs)
        before = assignments(second)
        first.process.send_signal(signal.SIGCONT)
        assert await asyncio.to_thread(first.process.wait, 20) == 3, run.logs()
        assert "another process joined the group as 'a'" in first.log.read_text()
        await run.produce(1_000, seed=3)
        await run.finished()
        assert assignments(second) == before, "the thawed worker took the name back"
        assert await run.stop(second) == 0, run.logs()
        assert await run.differences() == []
