"""The toy job in idiomatic Faust: one event at a time, a Table with its changelog.

`python -m bench.peers.faust_job BOOTSTRAP TOPIC,TOPIC PARTITIONS TOTAL DIRECTORY`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any, Final

import faust
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.peers import toy

APP: Final = "bench-faust"


async def make_changelog(bootstrap: str, partitions: int) -> None:
    """Faust asks a setting of the broker that Kafka 4 does not have any more, so the topic is made here."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        name = f"{APP}-accounts-changelog"
        await admin.create_topics(
            [NewTopic(name, partitions, 1, topic_configs={"cleanup.policy": "compact"})]
        )
        await asyncio.sleep(1)
    finally:
        await admin.close()


def create(bootstrap: str, topics: Sequence[str], partitions: int, total: int, directory: str) -> faust.App:
    """The app; it prints its figure and ends when `total` events are done."""
    app = faust.App(
        APP, broker=f"kafka://{bootstrap}", store="memory://", web_enabled=False, topic_partitions=partitions,
        topic_replication_factor=1, topic_disable_leader=True, consumer_auto_offset_reset="earliest", stream_wait_empty=False,
        producer_compression_type="lz4", producer_linger=0.05, broker_commit_interval=1.0, datadir=directory,
    )  # fmt: skip
    feeds = app.topic(*topics, value_type=bytes, value_serializer="raw", key_serializer="raw", key_type=bytes)
    table = app.Table("accounts", default=lambda: None, partitions=partitions, key_type=str)
    meter = toy.Meter(total)

    @app.agent(feeds)
    async def score(stream: Any) -> None:  # noqa: ANN401 - Faust's stream
        async for value in stream:
            event = toy.decode(value)
            table[event.account_id] = toy.add(table[event.account_id], toy.hour(event.ts), event.quantity)
            if meter.count():
                rows = list(table.values())
                meter.report(len(rows), sum(r["events"] for r in rows), sum(r["units"] for r in rows))

    return app


if __name__ == "__main__":
    address, names, parts, count, folder = sys.argv[1:6]
    asyncio.run(make_changelog(address, int(parts)))
    faust_app = create(address, names.split(","), int(parts), int(count), folder)
    sys.argv = ["faust", "worker", "--without-web", "-l", "error"]
    faust_app.main()
