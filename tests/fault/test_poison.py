"""Records that are none, records that come twice, and clocks that are wrong."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import OffsetAndMetadata

from scoring.events import SOURCES
from streams.dead_letters import MAX_VALUE_BYTES, decode
from tests.fault.feeds import Feeds
from tests.fault.harness import ONE_SEED, SEEDS, FaultRun, fault_run
from tests.fault.pills import pills
from tests.fault.verdict import assert_exact
from tests.plumbing.worker_group import until

pytestmark = pytest.mark.timeout(300)

PILLS = 200
SKEW_S = 3600
Place = tuple[str, int, int]


@pytest.mark.parametrize("seed", SEEDS)
async def test_poison_and_repetition(kafka, topic_prefix, tmp_path, seed, report):
    """Each pill is one dead letter with its place and reason and moves nothing else; the whole log read again is skipped, record by record."""
    async with fault_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        await run.alter(*SOURCES, **{"max.message.bytes": "8000000"})
        [worker] = await run.start_ready(1)
        feeds = Feeds(run, seed)
        async with run.watched(), feeds.flowing(8):
            poisoned = await poison(run, feeds, random.Random(seed))
        await run.finished()
        letters = await dead_letters(run)
        assert {place: letters[place] for place in poisoned} == {
            place: [reason] for place, reason in poisoned.items()
        }
        assert all(len(reasons) == 1 for reasons in letters.values()), "some letter was written twice"
        fates = feeds.fates(await feeds.expected())
        report(**fates, pills=Counter(poisoned.values()).total())
        assert run.fates() == fates
        assert min(fates[fate] for fate in ("duplicate", "late", "dead")) > 0
        assert await run.stop(worker) == 0

        again = await rewind(run)
        await run.start_ready(1)
        await until(lambda: sum(run.fates().values()) - fates.total() >= again, 60, run.logs)
        assert run.fates() == fates + Counter(replayed=again - fates["dead"], dead=fates["dead"])
        await assert_exact(run, feeds, report)


async def poison(run: FaultRun, feeds: Feeds, chance: random.Random) -> dict[Place, str]:
    """Pills into every topic while it is fed; returns where they lie, and why they are none."""
    found: dict[Place, str] = {}
    async with feeds.producer() as producer:
        for pill in pills(chance, PILLS, int(time.time() * 1000)):
            source = chance.choice(SOURCES)
            run.ends[source, pill.partition] += 1
            told = await producer.send_and_wait(
                run.prefix + source, pill.value, key=pill.key, partition=pill.partition
            )
            found[told.topic, told.partition, told.offset] = pill.reason
            await asyncio.sleep(chance.uniform(0, 0.05))
    return found


async def dead_letters(run: FaultRun) -> dict[Place, list[str]]:
    """Reasons by place; no letter is longer than it may be."""
    letters: dict[Place, list[str]] = {}
    for records in (await run.read("dead-letters")).values():
        for letter in (decode(record.value) for record in records):
            assert len((letter.value or "").encode()) <= 4 * MAX_VALUE_BYTES // 3 + 4
            letters.setdefault((letter.topic, letter.partition, letter.offset), []).append(letter.reason)
    return letters


async def rewind(run: FaultRun) -> int:
    """Set every committed offset back to the beginning, as a person might; returns how many records will be read again."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=run.bootstrap, group_id=run.settings.kafka.group, enable_auto_commit=False
    )
    await consumer.start()
    tps = [run.tp(source, partition) for source, partition in run.ends]
    consumer.assign(tps)
    await consumer.commit({tp: OffsetAndMetadata(0, "") for tp in tps})
    await consumer.stop()
    return sum(run.ends.values())


@pytest.mark.parametrize("seed", ONE_SEED)
async def test_clocks_that_are_wrong(kafka, topic_prefix, tmp_path, seed, report):
    """Two workers whose clocks are an hour fast and an hour slow say what the reference says, also when they take over from each other."""
    chance = random.Random(seed)
    async with fault_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        # as an earlier release made it: where brokers stamp it, neither would begin
        await run.alter("dead-letters", **{"message.timestamp.type": "CreateTime"})
        clocks = [SKEW_S, -SKEW_S]
        workers = [run.start(FAULT_CLOCK=str(clock)) for clock in clocks]
        await run.all_ready()
        feeds = Feeds(run, seed)
        async with run.watched(), feeds.flowing():
            for place in (0, 1):
                await asyncio.sleep(chance.uniform(2, 4))
                run.kill(workers[place])
                workers[place] = run.start(FAULT_CLOCK=str(clocks[place]))
                await run.all_ready()
        now = time.time() * 1000
        written = [r.timestamp - now for records in (await run.read("alerts")).values() for r in records]
        assert max(written) > 0.9 * SKEW_S * 1000
        assert min(written) < -0.9 * SKEW_S * 1000
        await assert_exact(run, feeds, report)
