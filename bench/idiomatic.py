"""The same feeds in idiomatic Faust: one event at a time, a Record, a Table with its changelog; sums per hour and a toy score.

It does far less than the product (no duplicates, no tickets, no bands, no alerts), which only flatters it.
`python -m bench.idiomatic BOOTSTRAP PREFIX PARTITIONS TOTAL` prints one JSON object.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any

import faust
import msgspec

from scoring.events import SOURCES, AnyEvent, Usage, decode
from scoring.times import HOUR, parse

_HOURS = 24


def create(bootstrap: str, prefix: str, partitions: int, total: int) -> faust.App:
    """The app; it prints its figure and ends when `total` events are done."""
    app = faust.App(
        f"{prefix}idiomatic", broker=f"kafka://{bootstrap}", store="memory://", web_enabled=False, topic_partitions=partitions,
        topic_replication_factor=1, topic_disable_leader=True, consumer_auto_offset_reset="earliest", stream_wait_empty=False,
        producer_compression_type="lz4", producer_linger=0.05, broker_commit_interval=1.0, datadir=f"/tmp/{prefix}idiomatic",
    )  # fmt: skip
    feeds = app.topic(
        *[prefix + s for s in SOURCES],
        value_type=bytes,
        value_serializer="raw",
        key_serializer="raw",
        key_type=bytes,
    )
    table = app.Table("accounts", default=dict, partitions=partitions, key_type=str)
    warm, done, begin = total // 4, 0, 0.0

    @app.agent(feeds)
    async def score(stream: Any) -> None:  # noqa: ANN401 - Faust's stream
        nonlocal done, begin
        async for value in stream:
            event = decode(value)
            table[event.account_id] = fold(table[event.account_id], event)
            done += 1
            if done == warm:
                begin = _cpu()
            elif done == total:
                result = {"events": total - warm, "us": (_cpu() - begin) / (total - warm) * 1e6}
                print(json.dumps(result), file=sys.__stdout__, flush=True)  # Faust turns stdout into its log
                os._exit(0)

    return app


def fold(state: dict[str, Any], event: AnyEvent) -> dict[str, Any]:
    """Count, sum, hourly buckets, a score of three terms."""
    buckets = state.get("buckets") or [0.0] * _HOURS
    hour = parse(event.ts) // HOUR
    buckets[hour % _HOURS] += event.quantity if isinstance(event, Usage) else 0.0
    total = sum(buckets)
    score = 0.5 * min(1.0, total / 500) + 0.3 * min(1.0, buckets[hour % _HOURS] / 50) + 0.2
    return {
        "n": state.get("n", 0) + 1,
        "buckets": buckets,
        "score": score,
        "type": msgspec.structs.fields(type(event))[0].name,
    }


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    address, name, parts, count = sys.argv[1:5]
    faust_app = create(address, name, int(parts), int(count))
    sys.argv = ["faust", "worker", "--without-web", "-l", "error"]
    faust_app.main()
