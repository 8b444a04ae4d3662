"""Why roles end once they have asked a real Kafka, row by row of docs/operations.md."""

import asyncio
import contextlib
import re

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import NewPartitions, NewTopic
from aiokafka.structs import OffsetAndMetadata

from scoring.row import ROW_VERSION
from streams import topics
from streams.cli.check_result import Status
from streams.cli.check_state import look_at_state
from streams.kafka_clients import admin_client
from streams.settings import Kafka, Settings
from tests.endings import AWAY, assert_checked, assert_ends, ended, rows
from tests.plumbing.counting_run import counting_run
from tests.plumbing.guarded_kafka import guarded_kafka

ROWS = rows()
USAGE = b'{"type":"usage","event_id":"e%d","account_id":"a-1","ts":"2026-05-01T00:00:00Z"}'
pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]


async def send(settings, topic, values, key=b"a-1"):
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap) as producer:
        for value in values:
            await producer.send(settings.topic_prefix + topic, value, key=key, partition=0)


async def make(settings, *, without=(), policy="compact", odd=None, largest=None):
    """The topics, but for what is told."""
    specs = [spec for spec in topics.topic_specs(settings) if spec.purpose not in without]
    async with admin_client(settings.kafka) as admin:
        for spec in specs:
            name, config = spec.purpose.value, dict(spec.config)
            if name == "state":
                config["cleanup.policy"] = policy
                config |= {"max.message.bytes": str(largest)} if largest else {}
            count = spec.partitions + (name == odd)
            await admin.create_topics([NewTopic(spec.name, count, 1, topic_configs=config)])


async def absent(settings, directory):
    await make(settings, without={"state", "scores", "alerts"})


async def unequal(settings, directory):
    await make(settings, odd="alerts")


async def deleting(settings, directory):
    await make(settings, policy="compact,delete")


async def small_rows(settings, directory):
    await make(settings, largest=1_000_000)


async def newer_rows(settings, directory):
    await make(settings)
    await send(settings, "state", [bytes([ROW_VERSION + 1]) * 100])


@contextlib.asynccontextmanager
async def with_a_worker(settings, directory):
    """Five events that a worker has read and committed."""
    async with counting_run(settings.kafka.bootstrap, settings.topic_prefix, directory) as run:
        run.command = ("streams.cli.main", "worker")
        run.extra = {"ACCOUNTPULSE_KAFKA__PARTITIONER": "any"}
        worker = run.start()
        await run.ready(worker)
        await send(settings, "usage", [USAGE % n for n in range(5)])
        run.ends["usage", 0] = 5
        await run.finished()
        yield run, worker


@contextlib.asynccontextmanager
async def read_by_a_worker(settings, directory):
    """The same, and it is gone."""
    async with with_a_worker(settings, directory) as (run, worker):
        assert await run.stop(worker) == 0, run.logs()
        yield run


async def recreated_input(settings, directory):
    """Deleted and made anew: the rows alone know what was read."""
    async with read_by_a_worker(settings, directory) as run:
        await run.recreate("usage")


async def recreated_state(settings, directory):
    """The rows are gone, and the group does not know."""
    async with read_by_a_worker(settings, directory) as run:
        await run.recreate("state")


async def shortened_state(settings, directory):
    """What was committed tells of more rows than there are."""
    async with read_by_a_worker(settings, directory) as run:
        known = await run.committed()
        told = {
            tp: OffsetAndMetadata(offset, re.sub(r"\d+\]$", "1000]", metadata))
            for tp, (offset, metadata) in known.items()
            if metadata
        }
        consumer = AIOKafkaConsumer(
            bootstrap_servers=run.bootstrap, group_id=run.settings.kafka.group, enable_auto_commit=False
        )
        async with consumer:
            consumer.assign(list(told))
            await consumer.commit(told)


async def grown_under_a_worker(settings, directory):
    """An input has more partitions from now on: a worker ends within seconds, for nobody reads them."""
    async with with_a_worker(settings, directory) as (_, worker):
        async with admin_client(settings.kafka) as admin:
            await admin.create_partitions({f"{settings.topic_prefix}usage": NewPartitions(total_count=8)})
        assert await asyncio.to_thread(worker.process.wait, 30) == ROWS["partitions, but"].code
        assert "what lies on the others is not read" in worker.log.read_text()


async def wrong_feed(settings, directory):
    await make(settings)
    await send(settings, "usage", [b"no event"] * 60)


CASES = {
    "does not exist": (absent, {}),
    "partitions, but": (unequal, {}),
    "cleanup.policy": (deleting, {}),
    "max.message.bytes": (small_rows, {}),
    "state row of version": (newer_rows, {}),
    "ends at offset": (recreated_input, {"KAFKA__PARTITIONS": "4"}),
    "holds nothing, but": (recreated_state, {"KAFKA__PARTITIONS": "4"}),
    "held records up to": (shortened_state, {"KAFKA__PARTITIONS": "4"}),
}
"""How the fault is made, and settings."""


def of_a_test(kafka, topic_prefix):
    return AWAY | {
        "TOPIC_PREFIX": topic_prefix,
        "KAFKA__BOOTSTRAP": kafka.bootstrap,
        "KAFKA__GROUP": f"{topic_prefix}group",
        "KAFKA__PARTITIONS": "2",
        "KAFKA__REQUEST_TIMEOUT": "10",
    }


def settings_of(environment):
    kafka = Kafka(bootstrap=environment["KAFKA__BOOTSTRAP"], partitions=int(environment["KAFKA__PARTITIONS"]))
    return Settings(topic_prefix=environment["TOPIC_PREFIX"], kafka=kafka)


@pytest.mark.parametrize("words", CASES)
def test_row(words, kafka, topic_prefix, tmp_path, monkeypatch):
    """A worker ends with the words and the code of its row, and `check` says the same without starting one."""
    prepare, own = CASES[words]
    environment = of_a_test(kafka, topic_prefix) | own
    asyncio.run(prepare(settings_of(environment), tmp_path))
    assert_ends(ROWS[words], ["worker"], environment)
    assert_checked(ROWS[words], environment, monkeypatch)


def test_grown_input(kafka, topic_prefix, tmp_path, monkeypatch):
    """A worker whose input grows ends as one that starts with it grown, and `check` says the same."""
    environment = of_a_test(kafka, topic_prefix) | {"KAFKA__PARTITIONS": "4"}
    asyncio.run(grown_under_a_worker(settings_of(environment), tmp_path))
    assert_ends(ROWS["partitions, but"], ["worker"], environment)
    assert_checked(ROWS["partitions, but"], environment, monkeypatch)


@pytest.mark.parametrize("role", [["notifier"], ["view"]], ids=" ".join)
def test_absent_topics(role, kafka, topic_prefix):
    """Notifier and view end as a worker does when a topic of theirs is not there."""
    environment = of_a_test(kafka, topic_prefix) | {"SINKS__STDOUT": "true"}
    asyncio.run(absent(settings_of(environment), None))
    assert_ends(ROWS["does not exist"], role, environment)


def test_brake(kafka, topic_prefix, monkeypatch):
    """The product's worker stops at a feed of nonsense with the words and code of its row; `check` finds nothing wrong."""
    environment = of_a_test(kafka, topic_prefix)
    environment |= {"ENGINE__DEAD_LETTER_WINDOW": "50", "KAFKA__PARTITIONER": "any"}
    asyncio.run(wrong_feed(settings_of(environment), None))
    assert_ends(ROWS["records were rejected"], ["worker"], environment)
    assert_checked(ROWS["records were rejected"], environment, monkeypatch)


async def test_check_of_good_state(kafka, topic_prefix, tmp_path):
    """With rows of this release and whole inputs, `check` finds no fault in the changelog, and says that it looked."""
    settings = settings_of(of_a_test(kafka, topic_prefix) | {"KAFKA__PARTITIONS": "4"})
    async with read_by_a_worker(settings, tmp_path):
        [result] = await look_at_state(settings)
    assert (result.status, result.text) == (
        Status.OK, "the newest rows can be read, and no input ends before them"
    )  # fmt: skip


async def test_check_of_foreign_rows(kafka, topic_prefix):
    """What is no row at all is told with its partition, as a worker would stop at it."""
    settings = settings_of(of_a_test(kafka, topic_prefix))
    await make(settings)
    await send(settings, "state", [b"\1row of somebody else"])
    [result] = await look_at_state(settings)
    assert result.status is Status.ERROR
    assert "partition 0: a row cannot be read" in result.text


@pytest.fixture(scope="module")
def guarded():
    """The address of a Kafka that asks for a password."""
    with guarded_kafka(["ann"]) as kafka:
        yield kafka.address


@pytest.mark.parametrize("role", [["worker"], ["notifier"], ["view"]], ids=" ".join)
def test_wrong_password(role, guarded, monkeypatch):
    """A password that the brokers refuse is named as the reason, not as a broker that is away, and never shown."""
    environment = AWAY | {
        "KAFKA__BOOTSTRAP": guarded,
        "KAFKA__SASL__MECHANISM": "PLAIN",
        "KAFKA__SASL__USERNAME": "ann",
        "KAFKA__SASL__PASSWORD": "gu3ss",
        "SINKS__STDOUT": "true",
    }
    row = ROWS["no broker can be used"]
    assert_ends(row, role, environment)
    code, output = ended(role, environment)
    assert (code, "Invalid username or password" in output, "gu3ss" in output) == (3, True, False), output
    assert_checked(row._replace(words="Invalid username or password"), environment, monkeypatch)
    assert ended(["topics", "create"], environment | {"KAFKA__SASL__PASSWORD": "s3cret"})[0] == 0
