"""The topics: one typed list, and the steps that create and check them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from scoring.events import SOURCES
from streams.kafka_clients import admin_client
from streams.settings import Settings
from streams.topic_metadata import describe

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
ROW_BYTES: Final = 8 << 20
"""Largest batch `state` has to take, compressed: a row is one record, and managed clusters allow no more."""


class Purpose(StrEnum):
    """What a topic is for; decides its configuration and how strictly it is checked."""

    INPUT = "input"
    STATE = "state"
    SCORES = "scores"
    ALERTS = "alerts"
    DEAD_LETTERS = "dead-letters"


_CONFIG: Final[Mapping[Purpose, Mapping[str, str]]] = {
    # arrival time rules retention and the `future` check: a backlog of old events is not deleted on arrival
    Purpose.INPUT: {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "message.timestamp.type": "LogAppendTime",
    },
    Purpose.STATE: {
        "cleanup.policy": "compact",
        "min.compaction.lag.ms": str(HOUR_MS),
        "max.message.bytes": str(ROW_BYTES),
    },
    Purpose.SCORES: {"cleanup.policy": "compact"},
    Purpose.ALERTS: {"cleanup.policy": "delete", "retention.ms": str(7 * DAY_MS)},
    # arrival time tells a worker whether its own clock is right, at each takeover
    Purpose.DEAD_LETTERS: {
        "cleanup.policy": "delete",
        "retention.ms": str(14 * DAY_MS),
        "message.timestamp.type": "LogAppendTime",
    },
}


@dataclass(frozen=True)
class TopicSpec:
    """A topic as it should be."""

    name: str
    purpose: Purpose
    partitions: int
    replication_factor: int
    config: Mapping[str, str]


_CREATE_TIME: Final = {
    Purpose.INPUT: "retention can delete a backlog of old events on arrival",
    Purpose.DEAD_LETTERS: "a worker cannot tell that its clock is wrong",
}


class Level(StrEnum):
    """Whether a worker refuses to start."""

    ERROR = "error"
    WARNING = "warning"


class Problem(StrEnum):
    """What can be wrong with a topic."""

    MISSING = "missing"
    HIDDEN = "hidden"
    UNEQUAL_PARTITIONS = "unequal_partitions"
    OTHER_PARTITIONS = "other_partitions"
    COMPACTED = "compacted"
    STATE_DELETED = "state_deleted"
    SMALL_ROWS = "small_rows"
    SCORES_DELETED = "scores_deleted"
    CREATE_TIME = "create_time"
    FEW_REPLICAS = "few_replicas"


@dataclass(frozen=True)
class Finding:
    """One thing wrong with one topic, and the way out."""

    level: Level
    problem: Problem
    topic: str
    text: str
    way_out: str


@dataclass(frozen=True)
class _Actual:
    partitions: int
    replicas: int
    config: Mapping[str, str]


def topic_specs(settings: Settings) -> tuple[TopicSpec, ...]:
    """All topics of the product for these settings, inputs first, as in `scoring.events.SOURCES`."""
    kafka = settings.kafka
    durable = {"min.insync.replicas": "2"} if kafka.replication_factor >= 3 else {}
    purposes = [(source, Purpose.INPUT) for source in SOURCES]
    purposes += [(purpose.value, purpose) for purpose in Purpose if purpose is not Purpose.INPUT]
    return tuple(
        TopicSpec(
            settings.topic_prefix + name,
            purpose,
            kafka.partitions,
            kafka.replication_factor,
            {**_CONFIG[purpose], **durable},
        )
        for name, purpose in purposes
    )


async def check(settings: Settings) -> list[Finding]:
    """What stands between the topics on the broker and a worker, errors first.

    Raises aiokafka.errors.KafkaError or OSError if the broker cannot be asked.
    """
    specs = topic_specs(settings)
    async with admin_client(settings.kafka) as admin:
        topics, hidden = await describe(admin, [spec.name for spec in specs])
        configurations, locked = await _configurations(admin, topics)
    actual = {
        name: _Actual(t.partitions, t.replicas, configurations.get(name, {})) for name, t in topics.items()
    }
    findings = [
        finding
        for spec in specs
        if spec.name not in hidden
        for finding in _compare(spec, actual.get(spec.name))
    ]
    findings += [_hidden(name, "whether the topic exists") for name in sorted(hidden)]
    findings += [_hidden(name, "the topic's configuration") for name in sorted(locked)]
    findings += _unequal(specs, actual)
    return sorted(findings, key=lambda finding: finding.level is not Level.ERROR)


async def create(settings: Settings) -> list[str]:
    """Create the topics that are missing and wait until the broker shows them; returns their names.

    Existing topics stay as they are. Raises aiokafka.errors.KafkaError or OSError; TimeoutError if a created
    topic does not show up within the request time-out.
    """
    specs = topic_specs(settings)
    new = [
        NewTopic(spec.name, spec.partitions, spec.replication_factor, topic_configs=dict(spec.config))
        for spec in specs
    ]
    async with admin_client(settings.kafka) as admin:
        response = (await admin.create_topics(new)).to_object()
        created = [entry["topic"] for entry in response["topic_errors"] if _is_new(entry)]
        async with asyncio.timeout(settings.kafka.request_timeout):
            names = [spec.name for spec in specs]
            while len((await describe(admin, names))[0]) < len(names):  # noqa: ASYNC110 - the broker sends no event
                await asyncio.sleep(0.1)
    return created


async def partition_counts(settings: Settings) -> dict[str, int]:
    """Partition count of each of the product's topics that exists and may be seen, by full name.

    Raises aiokafka.errors.KafkaError or OSError if the broker cannot be asked.
    """
    async with admin_client(settings.kafka) as admin:
        topics, _ = await describe(admin, [spec.name for spec in topic_specs(settings)])
    return {name: topic.partitions for name, topic in topics.items()}


def _is_new(entry: Mapping[str, Any]) -> bool:
    error = for_code(entry["error_code"])
    if error is TopicAlreadyExistsError:
        return False
    if entry["error_code"]:
        raise error(f"{entry['topic']}: {entry.get('error_message') or error.description}")
    return True


async def _configurations(
    admin: AIOKafkaAdminClient, names: Iterable[str]
) -> tuple[dict[str, dict[str, str]], set[str]]:
    """What each topic is configured to, and the names of those of which this principal may not see that."""
    try:
        answers = await admin.describe_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        )
    except IncompatibleBrokerVersion:
        answers = []  # the embedded broker does not tell configurations
    configurations, locked = {}, set()
    for resource in (entry for answer in answers for entry in answer.to_object()["resources"]):
        name, error = resource["resource_name"], for_code(resource["error_code"])
        if error is TopicAuthorizationFailedError:
            locked.add(name)
        elif resource["error_code"]:
            raise error(f"{name}: {resource['error_message']}")
        else:
            configurations[name] = {
                entry["config_names"]: entry["config_value"] for entry in resource["config_entries"]
            }
    return configurations, locked


def _hidden(name: str, what: str) -> Finding:
    way_out = "as a worker's principal, which sees it, or give rights: accountpulse topics acls setup"
    return Finding(Level.ERROR, Problem.HIDDEN, name, f"this principal may not see {what}", way_out)


def _compare(spec: TopicSpec, actual: _Actual | None) -> Iterator[Finding]:
    if actual is None:
        way_out = "create it: accountpulse topics create"
        yield Finding(Level.ERROR, Problem.MISSING, spec.name, "the topic does not exist", way_out)
        return
    if actual.replicas < spec.replication_factor:
        text = f"{actual.replicas} replicas, the setting asks for {spec.replication_factor}"
        way_out = "add replicas: kafka-reassign-partitions, or lower ACCOUNTPULSE_KAFKA__REPLICATION_FACTOR"
        yield Finding(Level.WARNING, Problem.FEW_REPLICAS, spec.name, text, way_out)
    yield from _compare_policy(spec, actual.config.get("cleanup.policy", ""))
    yield from _compare_config(spec, actual)


def _compare_policy(spec: TopicSpec, policy: str) -> Iterator[Finding]:
    if "compact" in policy and "compact" not in spec.config["cleanup.policy"]:
        text = f"cleanup.policy={policy}: Kafka keeps the newest record of each account alone, read or not"
        yield Finding(
            Level.ERROR, Problem.COMPACTED, spec.name, text, _alter(spec.name, "cleanup.policy=delete")
        )
    if spec.purpose is Purpose.STATE and "delete" in policy:
        text = f"cleanup.policy={policy}: accounts that are quiet for the retention time would be forgotten"
        way_out = _alter(spec.name, "cleanup.policy=compact")
        yield Finding(Level.ERROR, Problem.STATE_DELETED, spec.name, text, way_out)
    if spec.purpose is Purpose.SCORES and "delete" in policy:
        text = f"cleanup.policy={policy}: a rebuilt view would miss quiet accounts"
        way_out = _alter(spec.name, "cleanup.policy=compact")
        yield Finding(Level.WARNING, Problem.SCORES_DELETED, spec.name, text, way_out)


def _compare_config(spec: TopicSpec, actual: _Actual) -> Iterator[Finding]:
    largest = int(actual.config.get("max.message.bytes", ROW_BYTES))
    if spec.purpose is Purpose.STATE and largest < ROW_BYTES:
        text = f"max.message.bytes={largest}: the row of a busy account may be up to {ROW_BYTES} bytes"
        way_out = _alter(spec.name, f"max.message.bytes={ROW_BYTES}")
        yield Finding(Level.ERROR, Problem.SMALL_ROWS, spec.name, text, way_out)
    if spec.purpose in _CREATE_TIME and actual.config.get("message.timestamp.type") == "CreateTime":
        text = f"message.timestamp.type=CreateTime: {_CREATE_TIME[spec.purpose]}"
        way_out = _alter(spec.name, "message.timestamp.type=LogAppendTime")
        yield Finding(Level.WARNING, Problem.CREATE_TIME, spec.name, text, way_out)


def _alter(topic: str, config: str) -> str:
    return f"kafka-configs --alter --entity-type topics --entity-name {topic} --add-config {config}"


def _unequal(specs: Sequence[TopicSpec], actual: Mapping[str, _Actual]) -> Iterator[Finding]:
    """The topics without the usual count; an account's events must meet on one partition."""
    counts = Counter(topic.partitions for topic in actual.values())
    if len(counts) < 2:
        yield from _other_than_set(specs[0].partitions, actual)
        return
    usual = counts.most_common(1)[0][0]
    example = next(
        spec.name for spec in specs if spec.name in actual and actual[spec.name].partitions == usual
    )
    for name, topic in actual.items():
        if topic.partitions != usual:
            text = f"{topic.partitions} partitions, but {example} has {usual}"
            way_out = (
                "delete and create it while it is empty; otherwise drain the inputs, set a new "
                "ACCOUNTPULSE_TOPIC_PREFIX, create all topics with one count and produce the events again"
            )
            yield Finding(Level.ERROR, Problem.UNEQUAL_PARTITIONS, name, text, way_out)


def _other_than_set(wanted: int, actual: Mapping[str, _Actual]) -> Iterator[Finding]:
    """The topics agree, and the settings do not: events would be looked for on other partitions, and rejected."""
    name, topic = next(iter(actual.items()), ("", None))
    if topic is not None and topic.partitions != wanted:
        text = f"{topic.partitions} partitions, but the setting says {wanted}"
        way_out = f"ACCOUNTPULSE_KAFKA__PARTITIONS={topic.partitions}"
        yield Finding(Level.ERROR, Problem.OTHER_PARTITIONS, name, text, way_out)
