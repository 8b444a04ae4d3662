"""The notifier role: delivers alerts to every sink, each in a consumer group of its own.

A sink that is down delays nobody but itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence

from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry

from alerts.route import Router
from alerts.sinks.base import Sink, SinkUnavailableError, load
from alerts.sinks.slack import Slack
from alerts.sinks.stdout import Stdout
from alerts.sinks.webhook import Webhook
from streams.acls import Role
from streams.answers import Answers
from streams.clock import wall_ms
from streams.delivery_log import RedisDeliveryLog, connect
from streams.kafka_clients import client_arguments
from streams.notifier_metrics import Metrics
from streams.probes import ProbeServer, Readiness
from streams.rights import expect_rights
from streams.routes_file import read_routes
from streams.settings import Settings
from streams.settings import Slack as SlackSettings
from streams.sink_consumer import SinkConsumer
from streams.topics import partition_counts


class MissingTopicError(OSError):
    """A topic the role needs does not exist; the message says how to get it."""


def create_sinks(settings: Settings, installed: Sequence[str] = ()) -> list[Sink]:
    """The sinks of the settings, and those that packages offer under the names `installed`.

    Raises:
        SinkUnavailableError: One cannot be had, or two share a name.
        ValueError: The webhook URL is unusable.
    """
    sinks: list[Sink] = []
    if settings.sinks.stdout:
        sinks.append(Stdout(sys.stdout, as_json=settings.log_format == "json"))
    if webhook := settings.sinks.webhook:
        sinks.append(Webhook(webhook.url, webhook.secret, timeout=webhook.timeout, now_ms=wall_ms))
    if slack := settings.sinks.slack:
        sinks.append(create_slack(slack))
    sinks += [load(name) for name in installed]
    names = [sink.name for sink in sinks]
    if len(set(names)) < len(names):
        raise SinkUnavailableError(f"two sinks share a name: {', '.join(names)}")
    return sinks


def create_slack(slack: SlackSettings) -> Slack:
    """The Slack sink of the settings."""
    return Slack(
        slack.token, slack.channel, base_url=slack.base_url, timeout=slack.timeout, interval=slack.interval
    )


async def run(
    settings: Settings, sinks: Sequence[Sink], registry: CollectorRegistry, stop: asyncio.Event
) -> None:
    """Delivers to all sinks until `stop`, with probes; closes the sinks.

    Raises:
        KafkaError: Kafka cannot be reached at the start, or refuses our password or certificate later, or a dead
            letter cannot be written.
        MissingTopicError: Topics are not there yet.
        MissingRightsError: The brokers do not allow what it does.
        OSError: The Redis URL, a certificate or the routes file is unusable, or the port of the probes is taken.
        RoutesError: The routes file is wrong.
    """
    router = Router(read_routes(settings.sinks.routes))
    log = RedisDeliveryLog(
        connect(settings.redis),
        prefix=settings.redis.prefix,
        days=settings.sinks.log_days,
        receipt_days=settings.sinks.receipt_days,
    )
    try:
        await expect_rights(settings, Role.NOTIFIER)
        await _require_topics(settings)
        async with _producer(settings) as producer:
            metrics, answers = Metrics(registry), Answers(settings.kafka)
            feeds = [
                SinkConsumer(settings, sink, log, producer, answers=answers, metrics=metrics, router=router)
                for sink in sinks
            ]
            async with (
                _probes(settings, feeds, answers, registry),
                answers.watched(),
                asyncio.TaskGroup() as group,
            ):
                for feed in feeds:
                    group.create_task(feed.run(stop))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    finally:
        await asyncio.gather(*(sink.close() for sink in sinks), log.close(), return_exceptions=True)


async def _require_topics(settings: Settings) -> None:
    needed = {settings.topic_prefix + name for name in ("alerts", "dead-letters")}
    if missing := needed - (await partition_counts(settings)).keys():
        names = ", ".join(sorted(missing))
        raise MissingTopicError(f"does not exist: {names}; create them: accountpulse topics create")


@contextlib.asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**client_arguments(settings.kafka), enable_idempotence=True)
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


@contextlib.asynccontextmanager
async def _probes(
    settings: Settings, feeds: Sequence[SinkConsumer], answers: Answers, registry: CollectorRegistry
) -> AsyncIterator[None]:
    def readiness() -> Readiness:
        reasons = answers.silence()
        reasons += [f"{feed.sink} has no place in its group yet" for feed in feeds if not feed.joined]
        return Readiness(ready=not reasons, reasons=reasons)

    server = ProbeServer(readiness, registry)
    await server.start(settings.probes.host, settings.probes.port)
    try:
        yield
    finally:
        await server.close()
