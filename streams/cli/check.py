"""`accountpulse check`: what stands in the way of the roles, every fault in one run, each with a way out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

import typer
from aiokafka.errors import KafkaError
from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError
from redis.exceptions import RedisError

from alerts.route_tree import RoutesError
from alerts.sinks.base import SinkError, SinkUnavailableError, installed, load
from alerts.sinks.webhook import parse_url
from streams import topics
from streams.cli.output import ExitCode, emit_json, printable
from streams.delivery_log import connect
from streams.kafka_clients import admin_client
from streams.notifier import create_slack, read_routes
from streams.settings import PREFIX, Settings, Slack

DEADLINE_S: Final = 10.0
"""For each of Kafka, topics and Redis."""
CONNECT_S: Final = 3.0
ALERT_RETENTION_DAYS: Final = 7
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_PARTITIONERS: Final = {
    "murmur2": (
        "keys must be placed by murmur2 as Java's default partitioner does it; librdkafka (confluent-kafka, "
        "most other clients) defaults to another hash: such records become `wrong_partition`",
        "set partitioner=murmur2_random in those producers, or ACCOUNTPULSE_KAFKA__PARTITIONER=any if each "
        "key always lands on one partition, the same on all inputs",
    ),
    "any": (
        "every placement is accepted; an account whose events land on two partitions has two half scores",
        "make sure that all producers of all inputs use one partitioner",
    ),
}


class Status(StrEnum):
    """A note explains, a warning may hurt later, an error stops a role, environment is out of reach."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"
    ENVIRONMENT = "environment"


@dataclass(frozen=True)
class Result:
    """One thing that was looked at."""

    area: str
    status: Status
    text: str
    way_out: str = ""


def check(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check configuration, brokers, topics, Redis and sinks in one run."""
    results = diagnose()
    if json:
        emit_json({"ok": exit_code(results) is ExitCode.OK, "results": results})
    else:
        for result in results:  # no table: names to copy must not be broken into columns
            typer.echo(printable(f"{result.status:<11} {result.area}: {result.text}"))
            if result.way_out:
                typer.echo(printable(f"{'':11} -> {result.way_out}"))
    if code := exit_code(results):
        raise typer.Exit(code)


def exit_code(results: list[Result]) -> ExitCode:
    """3 if something is out of reach or not configured rightly, else 1 if something is wrong, else 0."""
    statuses = {result.status for result in results}
    if Status.ENVIRONMENT in statuses:
        return ExitCode.ENVIRONMENT
    return ExitCode.FINDING if Status.ERROR in statuses else ExitCode.OK


def diagnose() -> list[Result]:
    """Everything that can be looked at; without a readable configuration that is the configuration alone."""
    try:
        settings = Settings()
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        return [_setting([str(part) for part in fault["loc"]], fault["msg"]) for fault in faults]
    except (OSError, SettingsError, ValueError) as error:
        way_out = "correct the file named by ACCOUNTPULSE_CONFIG or by a variable that ends in _FILE"
        return [Result("configuration", Status.ENVIRONMENT, _words(error), way_out)]
    return asyncio.run(_all(settings))


def _setting(place: list[str], message: str) -> Result:
    way_out = f"correct {PREFIX}{'__'.join(place).upper()} or the file's entry"
    return Result("configuration", Status.ENVIRONMENT, f"{'.'.join(place)}: {message}", way_out)


async def _all(settings: Settings) -> list[Result]:
    groups = await asyncio.gather(
        _guarded("kafka", "start Kafka, or correct ACCOUNTPULSE_KAFKA__*", _brokers(settings)),
        _guarded("topics", "see kafka", _topics(settings)),
        _guarded("redis", "start Redis, or correct ACCOUNTPULSE_REDIS__*", _redis(settings)),
        _sinks(settings),
    )
    return [*_configuration(settings), *(result for group in groups for result in group)]


async def _guarded(area: str, way_out: str, work: Coroutine[Any, Any, list[Result]]) -> list[Result]:
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await work
    except TimeoutError:
        return [Result(area, Status.ENVIRONMENT, f"no answer within {DEADLINE_S:g} s", way_out)]
    except (KafkaError, RedisError, OSError, ValueError) as error:
        return [Result(area, Status.ENVIRONMENT, _words(error), way_out)]


def _configuration(settings: Settings) -> list[Result]:
    results = [Result("configuration", Status.OK, "settings are valid")]
    model = settings.engine.model
    if model and not model.is_file():
        way_out = "correct ACCOUNTPULSE_ENGINE__MODEL"
        results.append(Result("configuration", Status.ERROR, f"model file {model} does not exist", way_out))
    if settings.sinks.log_days < ALERT_RETENTION_DAYS:
        text = (
            f"the delivery log forgets after {settings.sinks.log_days} days what the alerts topic keeps for "
        )
        text += f"{ALERT_RETENTION_DAYS}: alerts that are read again are sent again"
        way_out = f"ACCOUNTPULSE_SINKS__LOG_DAYS={ALERT_RETENTION_DAYS} or more"
        results.append(Result("configuration", Status.WARNING, text, way_out))
    text, way_out = _PARTITIONERS[settings.kafka.partitioner]
    return [*results, Result("partitioner", Status.NOTE, text, way_out)]


async def _brokers(settings: Settings) -> list[Result]:
    """Asks for the cluster, then knocks at every address it advertises."""
    async with admin_client(settings.kafka) as admin:
        brokers = (await admin.describe_cluster())["brokers"]
    addresses = [(str(broker["host"]), int(broker["port"])) for broker in brokers]
    faults = await asyncio.gather(*(_knock(host, port) for host, port in addresses))
    away = [
        Result(
            "kafka",
            Status.ENVIRONMENT,
            f"the cluster advertises {host}:{port}, which cannot be reached from here: {fault}",
            "correct advertised.listeners of that broker, or name resolution and firewall here",
        )
        for (host, port), fault in zip(addresses, faults, strict=True)
        if fault
    ]
    return away or [
        Result("kafka", Status.OK, f"{len(brokers)} broker(s) answer at {settings.kafka.bootstrap}")
    ]


async def _topics(settings: Settings) -> list[Result]:
    findings = await topics.check(settings)
    if not findings:
        return [Result("topics", Status.OK, "all topics are as they should be")]
    levels = {topics.Level.ERROR: Status.ERROR, topics.Level.WARNING: Status.WARNING}
    return [Result("topics", levels[f.level], f"{f.topic}: {f.text}", f.way_out) for f in findings]


async def _redis(settings: Settings) -> list[Result]:
    client = connect(settings.redis, timeout=CONNECT_S)
    async with contextlib.aclosing(client):
        await client.ping()
        memory = await client.info("memory")
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if memory.get("maxmemory") and policy != "noeviction":
        text = f"maxmemory-policy={policy}: an evicted entry of the delivery log is an alert sent twice"
        return [Result("redis", Status.WARNING, text, "maxmemory-policy noeviction, or a Redis of its own")]
    return [Result("redis", Status.OK, "Redis answers")]


async def _sinks(settings: Settings) -> list[Result]:
    results = [_installed_sink(name) for name in installed()]
    if settings.sinks.stdout:
        results.append(Result("sinks", Status.OK, "stdout"))
    if settings.sinks.webhook:
        results += await _webhook(settings.sinks.webhook.url)
    if settings.sinks.slack:
        results.append(await _slack(settings.sinks.slack))
    if not results:
        text = "no sink is configured: alerts are written to Kafka and nobody hears of them"
        way_out = (
            "ACCOUNTPULSE_SINKS__SLACK__*, ACCOUNTPULSE_SINKS__WEBHOOK__*, or ACCOUNTPULSE_SINKS__STDOUT=true"
        )
        results.append(Result("sinks", Status.NOTE, text, way_out))
    return [*results, *_routes(settings)]


def _routes(settings: Settings) -> list[Result]:
    way_out = "correct the file named by ACCOUNTPULSE_SINKS__ROUTES; `accountpulse alerts route` shows it"
    try:
        tree = read_routes(settings)
    except RoutesError as error:
        return [Result("routes", Status.ERROR, fault, way_out) for fault in str(error).splitlines()]
    except OSError as error:
        return [Result("routes", Status.ENVIRONMENT, _words(error), way_out)]
    if tree is None:
        return []
    known = {name for name in ("slack", "webhook", "stdout") if getattr(settings.sinks, name)} | {
        *installed()
    }
    gaps = [Result("routes", Status.WARNING, gap, way_out) for gap in tree.gaps(known)]
    return gaps or [Result("routes", Status.OK, "the routes file is valid")]


async def _slack(slack: Slack) -> Result:
    """Whose token it is; nothing is posted."""
    sink = create_slack(slack)
    try:
        return Result("sinks", Status.OK, f"slack: the token is for the workspace {await sink.verify()}")
    except SinkError as error:
        way_out = (
            "check ACCOUNTPULSE_SINKS__SLACK__TOKEN, the app's scope chat:write, and the way to slack.com"
        )
        return Result("sinks", Status.ENVIRONMENT, f"slack: {error}", way_out)
    finally:
        await sink.close()


def _installed_sink(name: str) -> Result:
    try:
        load(name)
    except SinkUnavailableError as error:
        return Result("sinks", Status.ERROR, str(error), "repair or remove the package")
    return Result("sinks", Status.OK, f"{name} is installed; `notifier --sink {name}` uses it")


async def _webhook(url: SecretStr) -> list[Result]:
    """Name resolution and a connection; nothing is sent, and of the URL only host and port are shown."""
    try:
        parsed = parse_url(url)
    except ValueError as error:
        return [Result("sinks", Status.ERROR, str(error), "correct ACCOUNTPULSE_SINKS__WEBHOOK__URL")]
    host, port = parsed.host, parsed.port or (443 if parsed.scheme == "https" else 80)
    results = []
    if parsed.scheme == "http" and host not in _LOOPBACK:
        text = f"webhook {host}: alerts travel unencrypted"
        results.append(Result("sinks", Status.WARNING, text, "use an https URL"))
    if fault := await _knock(host, port):
        way_out = "check the host of ACCOUNTPULSE_SINKS__WEBHOOK__URL, name resolution and firewall"
        return [*results, Result("sinks", Status.ENVIRONMENT, f"webhook {host}:{port}: {fault}", way_out)]
    return [*results, Result("sinks", Status.OK, f"webhook {host}:{port} can be reached (nothing was sent)")]


async def _knock(host: str, port: int) -> str | None:
    """Why no TCP connection can be made, or None."""
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        return _words(error)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return None


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
