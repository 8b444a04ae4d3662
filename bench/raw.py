"""The limit of the client: whole record batches out of aiokafka, with and without decoding, doing nothing else.

`python -m bench.raw BOOTSTRAP PREFIX PARTITIONS TOTAL decode|nothing` prints one JSON object.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import time

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer import fetcher

from scoring.events import SOURCES, decode


def whole_batches(result: fetcher.FetchResult, max_records: int | None = None) -> list:
    """All records of a fetched partition as the Cython objects they were parsed into."""
    part = result._partition_records
    if part is None or not result.has_more():
        return []
    records = []
    while part._records.has_next():
        batch = part._records.next_batch()
        records.extend(batch)
        part.next_fetch_offset = batch.next_offset
    result._update_position()
    result._partition_records = None
    return records


async def run(
    bootstrap: str, prefix: str, partitions: int, total: int, *, decoding: bool
) -> dict[str, float]:
    """Read everything; the first tenth is warm-up."""
    fetcher.FetchResult.getall = whole_batches
    gc.set_threshold(200_000, 20, 100)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, max_partition_fetch_bytes=1 << 20, auto_offset_reset="earliest"
    )
    await consumer.start()
    tps = [TopicPartition(prefix + source, p) for source in SOURCES for p in range(partitions)]
    consumer.assign(tps)
    await consumer.seek_to_beginning(*tps)
    seen, begin = 0, None
    while seen < total:
        for records in (await consumer.getmany(timeout_ms=1000)).values():
            if decoding:
                for record in records:
                    decode(record.value)
            seen += len(records)
        if begin is None and seen > total // 10:
            begin = (seen, _cpu(), time.monotonic())
    assert begin is not None
    events, cpu = seen - begin[0], _cpu() - begin[1]
    await consumer.stop()
    return {"events": events, "us": cpu / events * 1e6, "wall": time.monotonic() - begin[2]}


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    address, name, parts, count, mode = sys.argv[1:6]
    print(json.dumps(asyncio.run(run(address, name, int(parts), int(count), decoding=mode == "decode"))))
