"""`accountpulse topics`: plan, create, check, and who needs which rights."""

from __future__ import annotations

import asyncio
import shlex
from typing import Annotated

import typer

from streams import topics as kafka_topics
from streams.acls import Role, acls, commands
from streams.cli.output import ExitCode, emit_json, emit_table
from streams.settings import Settings

topics = typer.Typer(
    help="Plan, create and check the Kafka topics.", no_args_is_help=True, add_completion=False
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@topics.command()
def plan(json: Json = False) -> None:
    """Show the topics as they should be; asks no broker."""
    specs = kafka_topics.topic_specs(Settings())
    if json:
        emit_json(specs)
        return
    rows = [
        {
            "topic": spec.name,
            "partitions": spec.partitions,
            "replicas": spec.replication_factor,
            "configuration": " ".join(f"{name}={value}" for name, value in spec.config.items()),
        }
        for spec in specs
    ]
    emit_table(("topic", "partitions", "replicas", "configuration"), rows)


@topics.command()
def create(json: Json = False) -> None:
    """Create the topics that are missing; existing ones stay as they are."""
    settings = Settings()
    created = asyncio.run(kafka_topics.create(settings))
    rows = [
        {"topic": spec.name, "result": "created" if spec.name in created else "exists"}
        for spec in kafka_topics.topic_specs(settings)
    ]
    if json:
        emit_json(rows)
    else:
        emit_table(("topic", "result"), rows)


@topics.command()
def check(json: Json = False) -> None:
    """Compare the topics on the broker with the plan; exits 1 if a worker would refuse to start."""
    findings = asyncio.run(kafka_topics.check(Settings()))
    if json:
        emit_json(findings)
    else:
        rows = [
            {"level": f.level, "topic": f.topic, "finding": f.text, "way out": f.way_out} for f in findings
        ]
        emit_table(("level", "topic", "finding", "way out"), rows, empty="all topics are as they should be")
    if any(finding.level is kafka_topics.Level.ERROR for finding in findings):
        raise typer.Exit(ExitCode.FINDING)


@topics.command("acls")
def print_acls(
    role: Annotated[Role, typer.Argument(help="Who needs the rights.", metavar="ROLE")],
    principal: Annotated[
        str | None, typer.Option(help="Who gets them; User:accountpulse-ROLE if not given.")
    ] = None,
    json: Json = False,
) -> None:
    """Print what a role has to be allowed, as calls of kafka-acls; asks no broker."""
    settings = Settings()
    needed = acls(settings, role)
    if json:
        emit_json([acl._asdict() for acl in needed])
        return
    for words in commands(settings, principal or f"User:accountpulse-{role}", needed):
        typer.echo(shlex.join(words))
