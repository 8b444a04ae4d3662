"""Makes the changelog topic that idiomatic Faust needs. `python -m bench.changelog BOOTSTRAP TOPIC PARTITIONS`."""

from __future__ import annotations

import asyncio
import sys

from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def make(bootstrap: str, topic: str, partitions: int) -> None:
    """Create one compacted topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics(
            [NewTopic(topic, partitions, 1, topic_configs={"cleanup.policy": "compact"})]
        )
        await asyncio.sleep(1)
    finally:
        await admin.close()


if __name__ == "__main__":
    asyncio.run(make(sys.argv[1], sys.argv[2], int(sys.argv[3])))
