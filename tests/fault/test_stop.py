"""SIGTERM at the moments at which it is hardest to obey, and the state it leaves."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time

import pytest
from confluent_kafka import Producer

from scoring.times import iso
from streams import topics
from streams.partitioner import partition_of
from tests.fault.feeds import Feeds
from tests.fault.harness import ONE_SEED, SEEDS, FaultRun, fault_run
from tests.fault.verdict import assert_exact
from tests.plumbing.worker_group import PARTITIONS, Child, WorkerGroup, until

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


@pytest.mark.parametrize("seed", ONE_SEED)
async def test_stopped_with_all_the_rows_it_may_hold(kafka, topic_prefix, tmp_path, seed, report):
    """SIGTERM while a hundred thousand rows wait for a commit: they are written within 5 s, the exit code is 0, the next worker takes the rest."""
    accounts, rarely = 300_000, {"ACCOUNTPULSE_ENGINE__COMMIT_INTERVAL": "300"}
    run = WorkerGroup(kafka.bootstrap, topic_prefix, tmp_path, extra=rarely)
    await topics.create(run.settings)
    try:
        first = run.start()
        await run.ready(first)
        await asyncio.sleep(3)  # the first events after a takeover are committed early
        await asyncio.to_thread(first_events, run, accounts, seed)
        await until(lambda: rows_waiting(first) > 100_000, 60, run.logs)
        await asyncio.sleep(2)
        waiting, began = rows_waiting(first), time.monotonic()
        code = await run.stop(first, timeout=10)
        took, written = time.monotonic() - began, await written_rows(run)
        report(rows=waiting, seconds=round(took, 1), written=written)
        assert code == 0, run.logs()
        assert waiting < accounts, "nothing was left to the next worker"
        assert took < 5 + 0.5, "beside the flush it leaves the group"
        assert written >= waiting
        await run.ready(run.start(ACCOUNTPULSE_ENGINE__COMMIT_INTERVAL="1"))
        await run.finished()
        await run.stop(run.children[-1])
        assert await written_rows(run) == accounts
    finally:
        run.close()


def first_events(run: WorkerGroup, accounts: int, seed: int) -> None:
    """One event of each of many accounts."""
    producer = Producer({"bootstrap.servers": run.bootstrap, "queue.buffering.max.messages": accounts + 1})
    ts = iso(int(time.time() * 1000))
    for at in range(accounts):
        name = f"stop-{seed}-{at}"
        event = {"type": "usage", "event_id": f"e{at}", "account_id": name, "ts": ts, "quantity": 1}
        partition = partition_of(name.encode(), PARTITIONS)
        producer.produce(run.prefix + "usage", json.dumps(event), name.encode(), partition)
        run.ends["usage", partition] += 1
    assert producer.flush(60) == 0


def rows_waiting(child: Child) -> int:
    """Events that a worker applied: each is of an account of its own, and none was committed yet."""
    metric = 'accountpulse_events_total{fate="applied",source="usage"}'
    lines = [line for line in child.get("/metrics")[1].splitlines() if line.startswith(metric)]
    return int(float(lines[0].rpartition(" ")[2])) if lines else 0


async def written_rows(run: WorkerGroup) -> int:
    """Accounts of which the changelog holds a row."""
    return len({record.key for records in (await run.read("state")).values() for record in records})
