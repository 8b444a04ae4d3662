"""Rows of accounts that send too much: the worker writes them, and nothing of them is lost."""

from __future__ import annotations

import base64
import json
import os
import signal
import time

from aiokafka import AIOKafkaProducer

from scoring.events import SOURCES
from scoring.model import default_model
from scoring.times import HOUR, iso
from streams.context import make_context
from streams.partitioner import partition_of
from streams.pipeline import Partition
from tests.plumbing.counting_run import Run, counting_run
from tests.plumbing.worker_group import PARTITIONS

TICK, GRACE = HOUR, 60_000
WHO = b"acme"
NUMBER = partition_of(WHO, PARTITIONS)


def usage(at: int, name: str, quantity: int, **more: str) -> bytes:
    event = {"type": "usage", "event_id": name, "account_id": WHO.decode(), "ts": iso(at), **more}
    return json.dumps({**event, "quantity": quantity}).encode()


def noise() -> str:
    """Text of nearly a megabyte that does not compress."""
    return base64.b64encode(os.urandom(780_000)).decode()


async def send(run: Run, source: int, *values: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=run.bootstrap, max_request_size=4 << 20) as producer:
        for value in values:
            await producer.send_and_wait(run.prefix + SOURCES[source], value, key=WHO, partition=NUMBER)
            run.ends[SOURCES[source], NUMBER] += 1


async def test_megabytes_that_wait_for_a_tick_neither_stop_the_worker_nor_get_lost(
    kafka, topic_prefix, tmp_path
):
    """Four valid events of nearly 1 MiB wait in one row, through kill -9 and recovery, and count once from their tick."""
    tick = (int(time.time() * 1000) - 2 * HOUR) // HOUR * HOUR  # what closes the feeds is not of the future
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        run.command = ("streams.cli.main", "worker")
        run.extra = {
            "ACCOUNTPULSE_ENGINE__TICK": str(TICK // 1000),
            "ACCOUNTPULSE_ENGINE__GRACE": str(GRACE // 1000),
            "ACCOUNTPULSE_ENGINE__IDLE": "600",
        }
        first = run.start()
        await run.ready(first)
        for source in range(1, len(SOURCES)):
            await send(run, source, usage(tick - 1000, f"open-{source}", 0))
        waiting = [usage(tick + 1000 * n, f"big-{n}", n, unknown=noise()) for n in range(1, 5)]
        straggler = usage(tick - 1000, "straggler", 0)  # for its sake what stands before it is taken
        await send(run, 0, usage(tick - HOUR, "small", 100), *waiting, straggler)
        await run.finished()  # taken, held and committed: only the row remembers them
        assert await run.stop(first, signal.SIGKILL) == -signal.SIGKILL
        second = run.start()
        await run.ready(second)
        for source in range(len(SOURCES)):
            await send(run, source, usage(tick + HOUR, f"close-{source}", 0))
        await run.finished()
        assert await run.stop(second) == 0, run.logs()
        rows = (await run.read("state"))[NUMBER]
    assert max(len(r.value) for r in rows) < 10_000
    partition = Partition(NUMBER, make_context(default_model(), tick_ms=TICK, grace_ms=GRACE))
    partition.restore([(r.key, r.value) for r in rows])
    assert partition.store.rings["usage"][partition.store.index[WHO]].sum() == 1000 * (100 + 1 + 2 + 3 + 4)
