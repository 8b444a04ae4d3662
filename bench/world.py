"""Where a benchmark runs: one Kafka, a directory that is deleted, and for each scenario topics of its own."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from confluent_kafka import Consumer, KafkaException, TopicPartition

from bench.figures import Figures
from bench.load import Fleet, Load
from bench.produce import fill
from bench.seed import Row, count_past, templates, write_past
from bench.tally import Tally
from scoring.events import SOURCES
from scoring.times import HOUR
from streams import topics
from streams.kafka_clients import admin_client
from streams.servers.kafka import KafkaServer
from streams.servers.process import wait_until
from streams.settings import Engine, Kafka, Settings

PARTITIONS: Final = 4
MINUTE: Final = 60_000
PACE: Final = 350_000
"""Events to a second of event time: so a load takes about as long as the events themselves."""
OUTPUTS: Final = ("state", "scores", "alerts", "dead-letters")


class Stage(NamedTuple):
    """Topics of a prefix, and the truth about them."""

    settings: Settings
    fleet: Fleet
    tally: Tally
    past: Sequence[Row] = ()
    """What the accounts lived through before: account i has row i modulo their number."""


class World:
    """One run of benchmarks."""

    def __init__(self, kafka: KafkaServer, directory: Path, figures: Figures, *, quick: bool) -> None:
        self.kafka = kafka
        self.directory = directory
        self.figures = figures
        self.quick = quick
        self._mix: Stage | None = None

    def size(self, full: int, quick: int) -> int:
        """A size, by the kind of run."""
        return quick if self.quick else full

    def settings(self, prefix: str, *, group: str | None = None, **engine: float) -> Settings:
        """Settings for topics of a prefix (without the dot); what `engine` does not name is the product's default."""
        return Settings(
            topic_prefix=f"{prefix}.",
            kafka=Kafka(bootstrap=self.kafka.bootstrap, group=group or prefix, partitions=PARTITIONS),
            engine=Engine.model_validate(engine),
        )

    @contextlib.contextmanager
    def stage(
        self, prefix: str, accounts: int, *, past_until: int | None = None, **engine: float
    ) -> Iterator[Stage]:
        """The topics of a scenario, deleted at its end; with `past_until` (ms) the accounts have 120 days of past."""
        settings = self.settings(prefix, group=None, **engine)
        asyncio.run(topics.create(settings))
        try:
            stage = Stage(settings, Fleet(accounts, PARTITIONS), Tally(accounts, PARTITIONS))
            if past_until is not None:
                stage = stage._replace(past=templates(past_until))
                write_past(settings, stage.fleet, stage.past, past_until)
                count_past(stage.tally, stage.past)
            yield stage
        finally:
            asyncio.run(_delete(settings, [*SOURCES, *OUTPUTS]))

    def mix(self) -> Stage:
        """Five thousand accounts without a past, filled once: for the product, the raw client and the peers."""
        if self._mix is None:
            settings = self.settings("mix")
            asyncio.run(topics.create(settings))
            accounts, events = self.size(5_000, 1_000), self.size(2_000_000, 120_000)
            stage = Stage(settings, Fleet(accounts, PARTITIONS), Tally(accounts, PARTITIONS))
            load = Load(events, accounts, load_start(events / PACE), PACE)
            fill(settings, load, stage.fleet, stage.tally)
            self._mix = stage
        return self._mix

    def fresh_outputs(self, settings: Settings) -> None:
        """Empty the outputs of a prefix, so that another group can read the same inputs from the beginning."""
        asyncio.run(_delete(settings, OUTPUTS))
        asyncio.run(topics.create(settings))

    def disk_bytes(self, settings: Settings, name: str) -> int:
        """What the partitions of a topic take on the broker's disk, compressed as they are."""
        folders = (self.kafka.directory / "data").glob(f"{settings.topic_prefix}{name}-*")
        return sum(file.stat().st_size for folder in folders for file in folder.glob("*.log"))


def load_start(seconds: float) -> int:
    """Where a load of so many seconds of event time begins (ms): it ends with the last full minute, so that its tick can run.

    Not with a full hour, at which everybody is scored: that has a scenario of its own.
    """
    end = int(time.time() * 1000) // MINUTE * MINUTE
    if end % HOUR < seconds * 1000 + MINUTE:
        end -= end % HOUR + MINUTE
    return end - int(seconds * 1000) - 1


def alter_topic(settings: Settings, name: str, config: Mapping[str, str]) -> None:
    """Change the configuration of one topic of a prefix."""

    async def alter() -> None:
        async with admin_client(settings.kafka) as admin:
            resource = ConfigResource(
                ConfigResourceType.TOPIC, settings.topic_prefix + name, configs=dict(config)
            )
            await admin.alter_configs([resource])

    asyncio.run(alter())


def input_topics(settings: Settings) -> list[str]:
    """Full names of the input topics."""
    return [settings.topic_prefix + source for source in SOURCES]


async def _delete(settings: Settings, names: Sequence[str]) -> None:
    full = {settings.topic_prefix + name for name in names}
    async with admin_client(settings.kafka) as admin:
        await admin.delete_topics(sorted(full & set(await admin.list_topics())))
        deadline = time.monotonic() + 30
        while full & set(await admin.list_topics()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"topics were not deleted: {sorted(full)}")
            await asyncio.sleep(0.1)


async def committed(admin: AIOKafkaAdminClient, settings: Settings) -> dict[tuple[str, int], int]:
    """Committed offsets of the group, by topic and partition."""
    found = await admin.list_consumer_group_offsets(settings.kafka.group)
    return {(tp.topic, tp.partition): each.offset for tp, each in found.items()}


def _warm_up(bootstrap: str) -> None:
    """Ask for a group, so that the broker makes its topic of offsets now and not while the first worker starts.

    Raises TimeoutError if the broker is not ready for groups after 30 s.
    """
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "warm-up", "log_level": 3})
    try:
        if not wait_until(lambda: _has_coordinator(consumer), timeout=30, interval=0.5):
            raise TimeoutError("the broker has no group coordinator")
    finally:
        consumer.close()


def _has_coordinator(consumer: Consumer) -> bool:
    try:
        consumer.committed([TopicPartition("none", 0)], timeout=10)
    except KafkaException:  # it is still loading
        return False
    return True


@contextlib.contextmanager
def world(figures: Figures, *, quick: bool) -> Iterator[World]:
    """Start Kafka and make the directory; both are gone at the end."""
    directory = Path(tempfile.mkdtemp(prefix="accountpulse-bench-"))
    try:
        with KafkaServer(heap_mb=1024, options=()) as kafka:
            _warm_up(kafka.bootstrap)
            yield World(kafka, directory, figures, quick=quick)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
