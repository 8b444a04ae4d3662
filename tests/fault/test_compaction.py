"""Topics that are compacted all the time, down to expired tombstones."""

from __future__ import annotations

import asyncio
import random

import pytest
from aiokafka import AIOKafkaProducer

from tests.fault.feeds import BUSY, Feeds
from tests.fault.harness import SEEDS, FaultRun, fault_run
from tests.fault.verdict import assert_exact
from tests.plumbing.worker_group import PARTITIONS

pytestmark = pytest.mark.timeout(300)

COMPACTED = ("state", "scores")


@pytest.mark.parametrize("seed", SEEDS)
async def test_compacted_during_and_between_runs(kafka, topic_prefix, tmp_path, seed, report):
    """With changelog and scores compacted while workers write and recover, what is left rebuilds every account; one that was erased stays so."""
    chance = random.Random(seed)
    async with fault_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        await run.compact_quickly(*COMPACTED, delete_retention_ms="100")
        workers = await run.start_ready(2)
        feeds = Feeds(run, seed)
        async with run.watched(), feeds.flowing():
            for _ in range(2):
                await asyncio.sleep(chance.uniform(4, 6))
                run.kill(workers.pop(chance.randrange(2)))
                workers += await run.start_ready(1)
        await run.finished()
        kept = {name: await compacted(run, name) for name in COMPACTED}
        report(**{f"{name}_kept": f"{left} of {written}" for name, (left, written) in kept.items()})
        assert all(left < written / 2 for left, written in kept.values())
        await assert_exact(run, feeds, report)

        gone = BUSY[chance.randrange(PARTITIONS)]
        await erase(run, gone)
        feeds.aside.add(gone)
        await run.start_ready(1)
        held = await run.live()
        assert not any(gone in state["accounts"] for state in held.values())
        await assert_exact(run, feeds, report)


async def compacted(run: FaultRun, name: str) -> tuple[int, int]:
    """Let the broker compact everything in a topic; returns the records left and those ever written."""
    await append(run, name, b"\0poke", b"")
    left: dict[int, list] = {}
    for _ in range(20):
        await asyncio.sleep(1.1)  # the segment that is written to is never compacted: let it roll
        await append(run, name, b"\0poke", b"")
        left = await run.read(name)
        if all(len({r.key for r in records}) == len(records) for records in left.values()):
            break
    written = sum((await run.ends_of(name)).values())
    return sum(map(len, left.values())), written


async def erase(run: FaultRun, account: str) -> None:
    """What an operator does to forget an account: tombstones, and time for them to be compacted away, too."""
    key, number = account.encode(), next(p for p, who in BUSY.items() if who == account)
    async with AIOKafkaProducer(bootstrap_servers=run.bootstrap) as producer:
        for name in COMPACTED:
            await producer.send_and_wait(run.prefix + name, None, key=key, partition=number)
    for name in COMPACTED:
        for _ in range(20):
            await compacted(run, name)
            if key not in {r.key for r in (await run.read(name))[number]}:
                break
        assert key not in {r.key for r in (await run.read(name))[number]}, "the tombstone is still there"


async def append(run: FaultRun, name: str, key: bytes, value: bytes) -> None:
    """One record in every partition."""
    async with AIOKafkaProducer(bootstrap_servers=run.bootstrap) as producer:
        for number in range(PARTITIONS):
            await producer.send_and_wait(run.prefix + name, value, key=key, partition=number)
