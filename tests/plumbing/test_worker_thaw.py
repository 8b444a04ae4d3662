"""A worker frozen for less than its session: nobody replaces it, and it must not take for quiet what it did not hear."""

from __future__ import annotations

import asyncio
import json
import signal
import time

import pytest
from aiokafka import AIOKafkaProducer

from scoring.times import iso, parse
from streams.partitioner import partition_of
from tests.plumbing.counting_run import Run, counting_run
from tests.plumbing.worker_group import PARTITIONS

WHO = b"acme"
NUMBER = partition_of(WHO, PARTITIONS)


async def send(run: Run, producer: AIOKafkaProducer) -> int:
    """A usage event of now; returns the first full second after it, the tick it counts from."""
    now = time.time_ns() // 1_000_000
    event = {"type": "usage", "event_id": str(now), "account_id": WHO.decode(), "ts": iso(now)}
    await producer.send_and_wait(f"{run.prefix}usage", json.dumps(event).encode(), key=WHO, partition=NUMBER)
    run.ends["usage", NUMBER] += 1
    return -(-now // 1000) * 1000


def evaluated(run: Run) -> list[int]:
    """The ticks at which the account was evaluated, full hours left out."""
    lines = [json.loads(line) for line in (run.directory / "ticks.ndjson").read_text().splitlines()]
    return [t for t in (parse(line["as_of"]) for line in lines) if t % 3_600_000]


@pytest.mark.fault
async def test_thawed_worker_misses_no_tick(kafka, topic_prefix, tmp_path):
    """Events that arrive while the worker is frozen count from their own ticks, each time, not from the tick after the thaw."""
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        run.command = ("streams.cli.main", "worker")
        run.extra = {
            "ACCOUNTPULSE_ENGINE__TICK": "1",
            "ACCOUNTPULSE_ENGINE__TICK_LOG": str(tmp_path / "ticks.ndjson"),
        }
        worker, wanted = run.start(), []
        await run.ready(worker)
        async with AIOKafkaProducer(bootstrap_servers=run.bootstrap) as producer:
            wanted.append(await send(run, producer))
            await run.finished()
            for _ in range(8):
                worker.process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(0.7)
                wanted.append(await send(run, producer))
                await asyncio.sleep(2.3)
                worker.process.send_signal(signal.SIGCONT)
                await asyncio.sleep(1.5)
        await run.finished()
        await asyncio.sleep(2)
        assert await run.stop(worker) == 0, run.logs()
        assert [tick for tick in evaluated(run) if tick in wanted] == wanted, (wanted, evaluated(run))
