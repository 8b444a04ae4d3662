"""Three real brokers, each of which is a controller too: a leader that dies has a successor."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streams.servers.kafka import QUICK_FAULTS, KafkaServer, new_cluster_id
from streams.servers.process import ServerUnavailableError
from tests.fault.harness import FaultRun, fault_run
from tests.plumbing.worker_group import PARTITIONS

NODES = 3
_REPLICATED = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "replica.lag.time.max.ms": "3000",
}


class KafkaCluster:
    """Brokers 1 to 3. Calls block; data and addresses survive `kill` and `restart` of a node."""

    def __init__(self) -> None:
        cluster_id = new_cluster_id()
        self.nodes = {
            number: KafkaServer(properties=QUICK_FAULTS | _REPLICATED, heap_mb=320, cluster_id=cluster_id)
            for number in range(1, NODES + 1)
        }
        voters = ",".join(f"{number}@{node.controller}" for number, node in self.nodes.items())
        for number, node in self.nodes.items():
            node.properties |= {"node.id": str(number), "controller.quorum.voters": voters}
        self.bootstrap = ",".join(node.bootstrap for node in self.nodes.values())

    async def start(self) -> None:
        """All at once: one alone has no quorum."""
        await asyncio.gather(*(asyncio.to_thread(node.start) for node in self.nodes.values()))

    def close(self) -> None:
        """Kill all nodes and delete their data."""
        for node in self.nodes.values():
            node.close()


@contextlib.asynccontextmanager
async def replicated_run(prefix: str, directory: Path) -> AsyncIterator[tuple[KafkaCluster, FaultRun]]:
    """A run on three brokers, every topic on all of them; skips the test if there is no way to have them."""
    cluster = KafkaCluster()
    try:
        await cluster.start()
        async with fault_run(cluster.bootstrap, prefix, directory, replicas=NODES) as run:
            yield cluster, run
    except ServerUnavailableError as error:
        pytest.skip(str(error))
    finally:
        await asyncio.to_thread(cluster.close)


async def replicas(run: FaultRun, name: str) -> dict[int, tuple[int, int]]:
    """Partition of a topic to its leader and the number of replicas in sync."""
    async with run.admin(10) as admin:
        [topic] = await admin.describe_topics([run.prefix + name])
    return {each["partition"]: (each["leader"], len(each["isr"])) for each in topic["partitions"]}


async def in_sync(run: FaultRun, timeout: float = 40.0) -> None:
    """Wait until every replica of the changelog has caught up."""
    async with asyncio.timeout(timeout):
        while sorted(n for _, n in (await replicas(run, "state")).values()) != [NODES] * PARTITIONS:
            await asyncio.sleep(0.3)
