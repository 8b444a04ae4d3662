"""Two workers under faults: whatever is killed, stopped or frozen, no key may differ from a plain recount."""

import asyncio
import random
import signal

import pytest

from tests.plumbing.counting_run import Run, counting_run
from tests.plumbing.own_kafka import own_kafka
from tests.plumbing.worker_group import PARTITIONS, until

OUTPUTS = ("state", "scores", "alerts", "dead-letters")
pytestmark = [pytest.mark.fault, pytest.mark.timeout(240)]


async def assert_exact(run: Run) -> None:
    await run.finished()
    for child in run.children:
        if child.process.poll() is None:
            await run.ready(child)
            assert await run.stop(child) == 0, run.logs()
    assert await run.differences() == [], run.logs()
    assert await run.missing_notices() == [], run.logs()


@pytest.mark.parametrize("seed", [11])
async def test_kill_and_terminate_mid_stream(kafka, topic_prefix, tmp_path, seed):
    """Kill -9 and SIGTERM at random moments, each replaced, lose and double nothing."""
    chance = random.Random(seed)
    print("seed", seed)
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        workers = [run.start(), run.start()]
        await asyncio.gather(*(run.ready(worker) for worker in workers))
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            feeding = asyncio.create_task(run.produce(4_000, seed=chance.randrange(1 << 30)))
            await asyncio.sleep(chance.uniform(0.1, 1.5))
            victim = chance.randrange(2)
            await run.stop(workers[victim], number)
            workers[victim] = run.start()
            await feeding
            await asyncio.sleep(chance.uniform(0.5, 4.0))
        await assert_exact(run)


@pytest.mark.parametrize(("seed", "topic"), [(21, "state"), (22, "alerts")])
async def test_frozen_owner_is_refused(kafka, topic_prefix, tmp_path, seed, topic):
    """A worker frozen between encoding and writing, thawed when all is done by the other, writes nothing to any output."""
    print("seed", seed)
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        frozen = run.start()
        await run.ready(frozen)
        await run.produce(3_000, seed)
        await run.finished()
        (tmp_path / f"freeze.{frozen.process.pid}").write_text(topic)
        await run.produce(3_000, seed + 1)
        await until(lambda: frozen.stopped, 10, run.logs)
        other = run.start()
        await run.finished()
        await run.ready(other)
        before = [await run.read(name) for name in OUTPUTS]
        frozen.process.send_signal(signal.SIGCONT)
        await until(lambda: "write was refused" in frozen.log.read_text(), 15, run.logs)
        await asyncio.gather(run.ready(frozen), run.ready(other))
        after = [await run.read(name) for name in OUTPUTS]
        assert [{p: len(rs) for p, rs in each.items()} for each in after] == [
            {p: len(rs) for p, rs in each.items()} for each in before
        ]
        await run.produce(2_000, seed + 2)
        await assert_exact(run)


@pytest.mark.parametrize("seed", [31])
async def test_freeze_at_random_moments(kafka, topic_prefix, tmp_path, seed):
    """Workers frozen for longer than the session, at random moments under load, lose and double nothing."""
    chance = random.Random(seed)
    print("seed", seed)
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        workers = [run.start(), run.start()]
        await asyncio.gather(*(run.ready(worker) for worker in workers))
        for _ in range(2):
            feeding = asyncio.create_task(run.produce(6_000, seed=chance.randrange(1 << 30)))
            await asyncio.sleep(chance.uniform(0.1, 2.0))
            victim = workers[chance.randrange(2)]
            victim.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(run.session * 1.6)
            await feeding
            victim.process.send_signal(signal.SIGCONT)
            await asyncio.sleep(chance.uniform(0.5, 5.0))
        await assert_exact(run)


@pytest.mark.parametrize("seed", [35])
async def test_frozen_without_a_successor_keeps_its_state(kafka, topic_prefix, tmp_path, seed):
    """A lone worker frozen for longer than its session recovers nothing when it is thawed, and no key differs."""
    print("seed", seed)
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        worker = run.start()
        await run.ready(worker)
        await run.produce(3_000, seed)
        await asyncio.sleep(0.2)  # some of it is folded and not written
        worker.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(run.session * 1.6)
        await run.produce(3_000, seed + 1)
        worker.process.send_signal(signal.SIGCONT)
        await until(lambda: worker.log.read_text().count("state kept") == PARTITIONS, 30, run.logs)
        await assert_exact(run)


@pytest.mark.parametrize("seed", [41])
async def test_kill_during_start_and_recovery(kafka, topic_prefix, tmp_path, seed):
    """A worker killed again and again while it starts and recovers leaves the truth to the last one."""
    chance = random.Random(seed)
    print("seed", seed)
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path, keys=5_000) as run:
        first = run.start()
        await run.produce(10_000, seed)
        await run.ready(first)
        await asyncio.sleep(chance.uniform(0, 1.0))
        await run.stop(first, signal.SIGKILL)
        for _ in range(4):
            child = run.start()
            await run.produce(1_000, seed=chance.randrange(1 << 30))
            await asyncio.sleep(chance.uniform(0.8, 3.0))
            await run.stop(child, signal.SIGKILL)
        run.start()
        await assert_exact(run)


async def test_compacted_changelog_alone_rebuilds_the_state(kafka, topic_prefix, tmp_path):
    """After compaction dropped old rows, a new worker restores every key from what is left."""
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path, keys=50) as run:
        await run.compact_quickly()
        child = run.start()
        for seed in range(8):
            await run.produce(1_000, seed)
            await run.finished()
            await asyncio.sleep(1.1)  # the active segment is never compacted: let it roll
        await run.stop(child, signal.SIGKILL)
        rows = await run.read("state")
        written = sum(records[-1].offset + 1 for records in rows.values())
        kept = sum(map(len, rows.values()))
        assert kept < written / 2, f"{kept} of {written} rows kept: nothing was compacted"
        await run.produce(500, seed=99)
        run.start()
        await assert_exact(run)


async def test_broker_killed_and_back(topic_prefix, tmp_path):
    """A broker killed under load and back after some seconds costs no worker and no event."""
    async with own_kafka() as server, counting_run(server.bootstrap, topic_prefix, tmp_path) as run:
        workers = [run.start(), run.start()]
        await asyncio.gather(*(run.ready(worker) for worker in workers))
        await run.produce(3_000, seed=51)
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(5)
        await asyncio.to_thread(server.restart)
        await run.produce(3_000, seed=52)
        await run.finished()
        assert [worker.process.poll() for worker in workers] == [None, None], run.logs()
        await assert_exact(run)


async def test_stops_without_a_broker(topic_prefix, tmp_path):
    """With the broker gone for good, SIGTERM ends a worker within 10 s, and not with 0."""
    async with (
        own_kafka() as server,
        counting_run(server.bootstrap, topic_prefix, tmp_path, commit_interval=20) as run,
    ):
        child = run.start()
        await run.ready(child)
        await run.produce(2_000, seed=61)
        await asyncio.sleep(1)  # taken, but not committed
        await asyncio.to_thread(server.kill)
        assert await run.stop(child, signal.SIGTERM, timeout=10) != 0


async def test_says_that_the_broker_is_gone_although_all_is_committed(topic_prefix, tmp_path):
    """With everything committed and the broker gone, SIGTERM ends a worker within 10 s, and not with 0."""
    async with own_kafka() as server, counting_run(server.bootstrap, topic_prefix, tmp_path) as run:
        child = run.start()
        await run.ready(child)
        await run.produce(500, seed=62)
        await run.finished()
        await asyncio.to_thread(server.kill)
        assert await run.stop(child, signal.SIGTERM, timeout=10) == 1, run.logs()


async def test_ends_in_time_although_the_broker_is_frozen(topic_prefix, tmp_path):
    """With a broker that keeps its connections and answers nothing, SIGTERM ends a worker within 10 s, and not with 0."""
    async with own_kafka() as server, counting_run(server.bootstrap, topic_prefix, tmp_path) as run:
        child = run.start()
        await run.ready(child)
        await run.produce(500, seed=63)
        await run.finished()
        await asyncio.to_thread(server.pause)
        try:
            assert await run.stop(child, signal.SIGTERM, timeout=10) == 1, run.logs()
        finally:
            await asyncio.to_thread(server.resume)


async def test_ends_in_time_although_the_loop_hangs(kafka, topic_prefix, tmp_path):
    """With an event loop that does not turn any more, SIGTERM ends a worker within 10 s, not with 0, saying where it hung."""
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        child = run.start()
        await run.ready(child)
        await run.produce_text([b"hang"])
        await until(lambda: child.get("/live")[0] == 0, 20)
        assert await run.stop(child, signal.SIGTERM, timeout=10) == 1, run.logs()
        assert "in feed" in child.log.read_text()


async def test_drains_under_load(kafka, topic_prefix, tmp_path):
    """SIGTERM while events pour in ends a worker with 0 in time, and what it took is committed; the next one reads on."""
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path, keys=20_000) as run:
        await run.produce(40_000, seed=71)
        child = run.start()
        await run.ready(child)
        feeding = asyncio.create_task(run.produce(100_000, seed=72))
        await asyncio.sleep(1)
        assert await run.stop(child, signal.SIGTERM, timeout=7) == 0, run.logs()
        await feeding
        taken = sum(offset for offset, _ in (await run.committed()).values())
        assert 0 < taken < 140_000
        run.start()
        await assert_exact(run)


@pytest.mark.parametrize("wrong_s", [600, -600])
async def test_a_clock_that_is_wrong_stays_outside(kafka, topic_prefix, tmp_path, wrong_s):
    """A worker whose clock is wrong by ten minutes ends with 3 before it joins: it takes over nothing, not even for a moment."""
    command = ("tests.fault.worker_entry",)
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path, command=command) as run:
        run.extra = {"FAULT_DIRECTORY": str(tmp_path), "FAULT_CLOCK": str(wrong_s)}
        child = run.start()
        assert await asyncio.to_thread(child.process.wait, 30) == 3, run.logs()
        assert "the clock of this machine differs by 600 s" in run.logs()
        assert set((await run.ends_of("state")).values()) == {0}


async def test_a_second_group_under_the_same_prefix(kafka, topic_prefix, tmp_path):
    """Whoever writes to the same topics as another group ends with 3 and says so, before it commits: nothing is lost or counted twice."""
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        first = run.start()
        await run.ready(first)
        await run.produce(3_000, seed=31)
        await run.finished()
        other = run.start(ACCOUNTPULSE_KAFKA__GROUP=f"{topic_prefix}another")
        await run.produce(2_000, seed=32)
        await run.ready(other)
        await run.produce(1_000, seed=33)
        assert await asyncio.to_thread(first.process.wait, 40) == 3, run.logs()
        assert f"somebody else writes to {topic_prefix}state" in first.log.read_text()
        other.process.kill()
        other.process.wait()
        again = run.start()
        await run.ready(again)
        await run.finished()
        assert await run.stop(again) == 0
        assert await run.differences() == []
