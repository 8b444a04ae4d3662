"""The limit of the client: whole record batches out of aiokafka, with and without decoding, doing nothing else.

`python -m bench.raw BOOTSTRAP TOPIC,TOPIC PARTITIONS TOTAL decode|nothing` prints one JSON object.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer import fetcher

from bench.jobs import run_job
from bench.workers import ROOT
from bench.world import World, input_topics
from scoring.events import decode
from streams.settings import Settings

_DEADLINE_S: Final = 120.0


def whole_batches(result: fetcher.FetchResult, max_records: int | None = None) -> list[Any]:
    """All records of a fetched partition as the Cython objects they were parsed into."""
    part = result._partition_records
    if part is None or not result.has_more():
        return []
    records: list[Any] = []
    while part._records.has_next():
        batch = part._records.next_batch()
        records.extend(batch)
        part.next_fetch_offset = batch.next_offset
    result._update_position()
    result._partition_records = None
    return records


async def run(
    bootstrap: str, topics: Sequence[str], partitions: int, total: int, *, decoding: bool
) -> dict[str, float]:
    """Read everything; the first tenth is warm-up."""
    fetcher.FetchResult.getall = whole_batches
    gc.set_threshold(100_000, 40, 100)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, max_partition_fetch_bytes=1 << 20, auto_offset_reset="earliest"
    )
    await consumer.start()
    tps = [TopicPartition(topic, p) for topic in topics for p in range(partitions)]
    consumer.assign(tps)
    await consumer.seek_to_beginning(*tps)
    seen, warm, begin = 0, False, (0, _cpu(), time.monotonic())
    while seen < total:
        for records in (await consumer.getmany(timeout_ms=1000)).values():
            if decoding:
                for record in records:
                    decode(record.value)
            seen += len(records)
        if not warm and total // 10 < seen < total:
            warm, begin = True, (seen, _cpu(), time.monotonic())
    events, cpu = seen - begin[0], _cpu() - begin[1]
    await consumer.stop()
    return {"events": events, "us": cpu / events * 1e6, "wall": time.monotonic() - begin[2]}


def raw(world: World) -> None:
    """Both ways of reading, each in a process of its own."""
    at = world.mix()
    topics = input_topics(at.settings)
    for mode, name in (
        ("nothing", "raw client, whole batches"),
        ("decode", "raw client, whole batches and decode"),
    ):
        world.figures.add({name: _read(world, at.settings, topics, at.tally.events, mode)["us"]})
    world.figures.load["raw"] = {"events": at.tally.events}


def raw_rows(world: World, settings: Settings, rows: int) -> float:
    """Rows a second, read from the changelog by a client that does nothing else: no recovery can be faster."""
    found = _read(world, settings, [settings.topic_prefix + "state"], rows, "nothing")
    return found["events"] / found["wall"]


def _read(world: World, settings: Settings, topics: Sequence[str], total: int, mode: str) -> dict[str, float]:
    arguments = [settings.kafka.bootstrap, ",".join(topics), str(settings.kafka.partitions), str(total), mode]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    log = world.directory / f"raw-{settings.topic_prefix}{mode}.log"
    found = run_job([sys.executable, "-m", "bench.raw", *arguments], log, env, _DEADLINE_S)
    return {name: float(value) for name, value in found[-1].items()}


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    address, names, parts, count, mode = sys.argv[1:6]
    job = run(address, names.split(","), int(parts), int(count), decoding=mode == "decode")
    print(json.dumps(asyncio.run(job)))
