"""The worker role on a real Kafka: exact, quick to stop, and honest about its health."""

import asyncio
import json
import re
import signal

from tests.plumbing.counting_run import Run, counting_run
from tests.plumbing.worker_group import Child, until


async def test_counts_every_record_once_and_stops_in_time(kafka, topic_prefix, tmp_path):
    """One worker counts all sources exactly, serves its probes, and SIGTERM drains and exits 0."""
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        await run.produce(5_000, seed=1)
        child = run.start()
        await run.ready(child)
        await run.produce(5_000, seed=2)
        await run.finished()
        status, body = child.get("/ready")
        metrics = child.get("/metrics")[1]
        assert child.get("/live")[0] == 200
        assert await run.stop(child, signal.SIGTERM, timeout=7) == 0, run.logs()
        assert await run.differences() == []
        assert await run.missing_notices() == []
        committed = await run.committed()
        rows = await run.read("state")
    assert (status, json.loads(body)["partitions"]) == (200, [0, 1, 2, 3])
    assert 'accountpulse_events_total{fate="applied",source="usage"}' in metrics
    for tp, (offset, metadata) in committed.items():
        assert json.loads(metadata) == [offset, rows[tp.partition][-1].offset + 1], (
            "what was taken, and the end of the rows"
        )


async def test_alert_does_not_wait_for_the_commit_interval(kafka, topic_prefix, tmp_path):
    """An alert gets a commit at once: its row is written, and the offset committed, long before the interval is over."""
    rarely = {"ACCOUNTPULSE_ENGINE__COMMIT_INTERVAL": "120"}
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path, extra=rarely) as run:
        child = run.start()
        await run.ready(child)
        await run.produce_text([b"7"] * 10)
        await run.finished(timeout=20)
        alerts, rows = await run.read("alerts"), await run.read("state")
    assert [(r.key, r.value) for r in alerts[0]] == [(b"k0", b"10")]
    assert b"k0" in {r.key for r in rows[0]}


async def test_recreated_input_is_refused(kafka, topic_prefix, tmp_path):
    """A worker refuses an input that ends before what was committed, and names both offsets."""
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        first = run.start()
        await run.ready(first)
        await run.produce(2_000, seed=3)
        await run.finished()
        assert await run.stop(first) == 0
        await run.recreate("usage")
        second = run.start()
        assert await asyncio.to_thread(second.process.wait, 40) == 3
        assert re.search(r"usage\[\d\] ends at offset 0, but was read up to \d+", second.log.read_text())


async def test_missing_topic_is_refused(kafka, topic_prefix, tmp_path):
    """A worker without its topics exits 3 and says how to create them."""
    run = Run(kafka.bootstrap, topic_prefix, tmp_path)
    child = run.start()
    try:
        assert await asyncio.to_thread(child.process.wait, 40) == 3
    finally:
        run.close()
    assert "accountpulse topics create" in child.log.read_text()


async def test_brake_stops_on_dead_letters(kafka, topic_prefix, tmp_path):
    """When most of the records are rejected, the worker stops with an error instead of burying them all."""
    brake = {"ACCOUNTPULSE_ENGINE__DEAD_LETTER_WINDOW": "100"}
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path, extra=brake) as run:
        await run.produce_text([b"not a number"] * 300)
        child = run.start()
        assert await asyncio.to_thread(child.process.wait, 40) == 1
        assert "TooManyDeadLettersError" in child.log.read_text()


async def test_bug_in_the_scoring_stops_the_worker(kafka, topic_prefix, tmp_path):
    """An exception out of a partition ends the process, and nothing is committed after it."""
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        child = run.start()
        await run.ready(child)
        await run.produce_text([b"5"] * 10)
        await run.finished()
        await run.produce_text([b"crash"])
        assert await asyncio.to_thread(child.process.wait, 20) == 1
        assert "RuntimeError: a bug" in child.log.read_text()
        assert [offset for offset, _ in (await run.committed()).values()] == [10]


async def test_aborted_transactions_do_not_count(kafka, topic_prefix, tmp_path):
    """Records of an aborted transaction are left out, and the markers do not keep a feed from being idle."""
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        child = run.start()
        await run.produce_in_transactions(["commit", "abort", "commit", "abort"])
        await run.ready(child)
        await until(lambda: lag(child) == 0.0, 20, lambda: child.get("/metrics")[1])
        await asyncio.sleep(1)
        assert await run.stop(child) == 0
        assert await run.differences() == []


def lag(child: Child) -> float | None:
    lines = [
        line
        for line in child.get("/metrics")[1].splitlines()
        if line.startswith("accountpulse_consumer_lag_events{")
    ]
    return sum(float(line.split()[-1]) for line in lines) if lines else None
