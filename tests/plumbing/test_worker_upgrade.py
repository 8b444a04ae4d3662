"""Two releases in one group: the older one refuses what the newer one wrote, in words, and nothing is wrong in the end."""

from __future__ import annotations

import asyncio
import signal

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from tests.plumbing import newer_release
from tests.plumbing.counting_run import Run, counting_run
from tests.plumbing.test_worker_oracle import Feeds, start, wrong
from tests.plumbing.worker_group import PARTITIONS, Child

OLD, NEW = ("streams.cli.main", "worker"), ("tests.plumbing.newer_release",)


@pytest.fixture
def newer_reader(monkeypatch):
    """Lets this process read the rows of both releases."""
    newer_release.install(monkeypatch)


def launch(run: Run, command: tuple[str, ...]) -> Child:
    run.command = command
    return start(run)


async def ended(child: Child, timeout: float = 60.0) -> int:
    return await asyncio.to_thread(child.process.wait, timeout)


@pytest.mark.fault
@pytest.mark.timeout(300)
async def test_rolling_upgrade_under_load_is_exact(kafka, topic_prefix, tmp_path, newer_reader):
    """Old and new workers share the group under load; old ones that meet newer rows end with 3, later ones do not even join; the new ones end up exact."""
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        old = [launch(run, OLD), launch(run, OLD)]
        await asyncio.gather(*(run.ready(worker) for worker in old))
        feeds = Feeds(run, 5, events=5000)
        feeding = asyncio.create_task(feeds.send(rate=200))
        await asyncio.sleep(3)
        new = launch(run, NEW)
        await run.ready(new)
        await asyncio.sleep(3)  # it writes rows
        await run.stop(new, signal.SIGKILL)  # its partitions go back to old workers
        codes = {await ended(worker) for worker in old}
        assert codes == {3}, run.logs()
        assert any("version 3, this program reads up to 2" in worker.log.read_text() for worker in old)
        before = await state_ends(run)
        assert await ended(launch(run, OLD)) == 3
        assert await state_ends(run) == before, "it took partitions over"
        new, other = launch(run, NEW), launch(run, NEW)
        await asyncio.gather(run.ready(new), run.ready(other))
        await feeding
        await run.finished(90)
        assert [await run.stop(new), await run.stop(other)] == [0, 0], run.logs()
        assert not (found := await wrong(run, feeds)), "\n".join(found)


async def state_ends(run: Run) -> dict[TopicPartition, int]:
    """Ends of the changelog: whoever is given a partition by the group appends to it first of all."""
    async with AIOKafkaConsumer(bootstrap_servers=run.bootstrap) as consumer:
        return await consumer.end_offsets(
            [TopicPartition(f"{run.prefix}state", n) for n in range(PARTITIONS)]
        )


async def commit(run: Run, metadata: str) -> None:
    """Leave metadata with the committed offset of an input, as another program might."""
    async with AIOKafkaConsumer(
        bootstrap_servers=run.bootstrap, group_id=run.settings.kafka.group, enable_auto_commit=False
    ) as consumer:
        tp = TopicPartition(f"{run.prefix}usage", 0)
        consumer.assign([tp])
        await consumer.commit({tp: OffsetAndMetadata(0, metadata)})


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ("[9,2,0,0]", "metadata of format 9, this program reads up to 4: run the newer release"),
        ("[2,9,0,[0,0,[]]]", "state rows of version 9, this program reads up to 2: run the newer release"),
        ("mine", "was not written by this program"),
    ],
)
async def test_metadata_that_cannot_be_read_is_refused(kafka, topic_prefix, tmp_path, metadata, words):
    """A worker ends with 3 and says what is the matter, before it takes a partition over and writes anything."""
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        await commit(run, metadata)
        worker = launch(run, OLD)
        assert await ended(worker) == 3
        assert words in worker.log.read_text()
        assert set((await state_ends(run)).values()) == {0}, "it took partitions over"
