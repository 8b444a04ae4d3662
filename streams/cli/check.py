"""`accountpulse check`: what stands in the way of the roles, every fault in one run, each with a way out."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from aiokafka.errors import KafkaError
from pydantic import ValidationError
from pydantic_settings import SettingsError
from redis.exceptions import RedisError

from streams import topics
from streams.cli.check_result import CONNECT_S, Result, Status, knock, words
from streams.cli.check_rights import look_at_rights
from streams.cli.check_sinks import look_at_sinks
from streams.cli.check_state import look_at_state
from streams.cli.output import ExitCode, emit_json, printable
from streams.context import ModelError, load_model, make_context
from streams.delivery_log import connect
from streams.extensions import ExtensionError
from streams.kafka_clients import admin_client
from streams.probes import unusable_address
from streams.settings import PREFIX, Settings, faults

DEADLINE_S: Final = 10.0
"""For each of Kafka, topics and Redis."""
ALERT_RETENTION_DAYS: Final = 7
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
        return [_setting(place, text) for place, text in faults(error)]
    except (OSError, SettingsError, ValueError) as error:
        way_out = "correct the file named by ACCOUNTPULSE_CONFIG or by a variable that ends in _FILE"
        return [Result("configuration", Status.ENVIRONMENT, words(error), way_out)]
    return asyncio.run(_all(settings))


def _setting(place: list[str], message: str) -> Result:
    way_out = f"correct {PREFIX}{'__'.join(place).upper()} or the file's entry"
    return Result("configuration", Status.ENVIRONMENT, f"{'.'.join(place)}: {message}", way_out)


async def _all(settings: Settings) -> list[Result]:
    groups = await asyncio.gather(
        _guarded("kafka", "start Kafka, or correct ACCOUNTPULSE_KAFKA__*", _brokers(settings)),
        _guarded("rights", "see kafka", look_at_rights(settings)),
        _guarded("topics", "see kafka", _topics(settings)),
        _guarded("redis", "start Redis, or correct ACCOUNTPULSE_REDIS__*", _redis(settings)),
        _guarded("state", "see kafka", look_at_state(settings)),
        look_at_sinks(settings),
        _probes(settings),
    )
    return [*_configuration(settings), *(result for group in groups for result in group)]


async def _guarded(area: str, way_out: str, work: Coroutine[Any, Any, list[Result]]) -> list[Result]:
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await work
    except TimeoutError:
        return [Result(area, Status.ENVIRONMENT, f"no answer within {DEADLINE_S:g} s", way_out)]
    except (KafkaError, RedisError, OSError, ValueError) as error:
        return [Result(area, Status.ENVIRONMENT, words(error), way_out)]


def _configuration(settings: Settings) -> list[Result]:
    results = [Result("configuration", Status.OK, "settings are valid")]
    results += _model(settings)
    if settings.sinks.log_days < ALERT_RETENTION_DAYS:
        text = (
            f"the delivery log forgets after {settings.sinks.log_days} days what the alerts topic keeps for "
        )
        text += f"{ALERT_RETENTION_DAYS}: alerts that are read again are sent again"
        way_out = f"ACCOUNTPULSE_SINKS__LOG_DAYS={ALERT_RETENTION_DAYS} or more"
        results.append(Result("configuration", Status.WARNING, text, way_out))
    text, way_out = _PARTITIONERS[settings.kafka.partitioner]
    return [*results, Result("partitioner", Status.NOTE, text, way_out)]


def _model(settings: Settings) -> list[Result]:
    """Whether a worker could score with these settings: model, signals of packages, tick log."""
    engine, results = settings.engine, []
    try:
        model = load_model(engine.model)
        make_context(model, tick_ms=engine.tick * 1000, grace_ms=round(engine.grace * 1000))
        results.append(Result("configuration", Status.OK, f"model {model.name}, {model.hash}"))
    except ModelError as error:
        way_out = f"correct the file, or {PREFIX}ENGINE__MODEL"
        results.append(Result("configuration", Status.ERROR, str(error), way_out))
    except ExtensionError as error:
        results.append(Result("configuration", Status.ERROR, str(error), "repair or remove the package"))
    if engine.tick_log and not os.access(_existing(engine.tick_log), os.W_OK):
        text = f"tick log {engine.tick_log}: cannot be written"
        results.append(Result("configuration", Status.ERROR, text, f"correct {PREFIX}ENGINE__TICK_LOG"))
    return results


def _existing(path: Path) -> Path:
    """The file, or the folder that it would be made in."""
    return path if path.exists() else path.absolute().parent


async def _probes(settings: Settings) -> list[Result]:
    """Whether a role could serve its probes here; a role that runs here takes the port, and that is no fault."""
    host, port = settings.probes.host, settings.probes.port
    try:
        server = await asyncio.start_server(lambda _, writer: writer.close(), host, port)
    except OSError as error:
        text = str(unusable_address(host, port, error))
        if error.errno != errno.EADDRINUSE:
            return [Result("probes", Status.ERROR, text, f"correct {PREFIX}PROBES__HOST or __PORT")]
        way_out = f"if no role of yours runs here: another {PREFIX}PROBES__PORT"
        return [Result("probes", Status.NOTE, text, way_out)]
    server.close()
    return [Result("probes", Status.OK, f"port {port} is free" if port else "any free port")]


async def _brokers(settings: Settings) -> list[Result]:
    """Asks for the cluster, then knocks at every address it advertises."""
    async with admin_client(settings.kafka) as admin:
        brokers = (await admin.describe_cluster())["brokers"]
    addresses = [(str(broker["host"]), int(broker["port"])) for broker in brokers]
    faults = await asyncio.gather(*(knock(host, port) for host, port in addresses))
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
    return [Result("topics", _status(f), f"{f.topic}: {f.text}", f.way_out) for f in findings]


def _status(finding: topics.Finding) -> Status:
    if finding.problem is topics.Problem.HIDDEN:
        return Status.NOTE  # who has to see it is told by `rights`
    return Status.ERROR if finding.level is topics.Level.ERROR else Status.WARNING


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
