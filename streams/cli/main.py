"""The command line `accountpulse`: a table of commands, each imported when it is used."""

from __future__ import annotations

import importlib
import logging
import sys
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from streams.cli.output import ExitCode, complain

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "demo": ("streams.cli.demo:demo", "Watch accounts being scored, without any server installed."),
    "worker": (
        "streams.cli.worker:worker",
        "Score accounts from the input topics (one process of the group).",
    ),
    "notifier": ("streams.cli.notifier:notifier", "Deliver alerts to the configured sinks."),
    "view": ("streams.cli.view:view", "Keep the view of scores in Redis up to date."),
    "accounts": ("streams.cli.accounts:accounts", "List accounts from the view, ranked and filtered."),
    "load": ("streams.cli.load:load", "Send a believable fleet without end, in real time at a rate."),
    "alerts": ("streams.cli.alerts:alerts", "Show who hears of which alert."),
    "rules": ("streams.cli.rules:rules", "List the alert rules: when they fire, what they show, what to do."),
    "produce": ("streams.cli.produce:produce", "Send events from files to the input topics."),
    "topics": ("streams.cli.topics:topics", "Plan, create and check the Kafka topics."),
    "check": ("streams.cli.check:check", "Check configuration, brokers, topics, Redis and sinks in one run."),
    "replay": ("streams.cli.replay:replay", "Score accounts from files, without a broker."),
    "explain": ("streams.cli.explain:explain", "Say why an account has its score."),
    "dead-letters": ("streams.cli.dead_letters:dead_letters", "Show rejected records with place and reason."),
    "schema": ("streams.cli.schema:schema", "Print the event schemas and the AsyncAPI document."),
}
"""Command -> where its function or typer app is, and its line of help (which must not need the import)."""


class LazyGroup(TyperGroup):
    """Lists every command of COMMANDS, imports only the one that runs."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - handed through
        super().__init__(**arguments)
        for name, (_, help_line) in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=help_line)

    def resolve_command(
        self,
        ctx: Any,  # noqa: ANN401 - click's class, which typer carries under a name that is not public
        args: list[str],
    ) -> tuple[str | None, Any, list[str]]:
        """The command to run, imported now."""
        name, stub, rest = super().resolve_command(ctx, args)
        return name, stub if name is None else load(name), rest


def load(name: str) -> Any:  # noqa: ANN401 - a click command, see above
    """The command object of an entry of COMMANDS."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    single = typer.Typer(add_completion=False)
    single.command(name, help=found.__doc__)(found)
    return typer.main.get_command(single)


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """Customer health scores while the events happen: exact, explained, replayable.

    Configuration: environment variables ACCOUNTPULSE_* or a TOML file named by ACCOUNTPULSE_CONFIG.
    Exit codes: 0 all is well, 1 something was found, 2 wrong usage, 3 environment (settings, Kafka, Redis).
    """
    from streams.settings import environment_names  # noqa: PLC0415 - not for --help
    from streams.unknown_settings import warnings  # noqa: PLC0415

    for line in warnings(environment_names()):
        complain(line)


def environment_fault(error: Exception) -> str | None:
    """One line about a fault outside the program, without values that may be secret; None if it is a bug."""
    from aiokafka.errors import KafkaError  # noqa: PLC0415 - heavy, and only needed when something failed
    from pydantic import ValidationError  # noqa: PLC0415
    from pydantic_settings import SettingsError  # noqa: PLC0415
    from redis.exceptions import RedisError  # noqa: PLC0415

    from alerts.sinks.base import SinkUnavailableError  # noqa: PLC0415
    from streams.context import ModelError  # noqa: PLC0415
    from streams.extensions import ExtensionError  # noqa: PLC0415
    from streams.servers.process import ServerUnavailableError  # noqa: PLC0415
    from streams.settings import in_one_line  # noqa: PLC0415

    if isinstance(error, ValidationError):
        return f"configuration: {in_one_line(error)}"
    if isinstance(error, KafkaError):
        return f"Kafka: {error}"
    if isinstance(error, RedisError):
        return f"Redis: {error}"
    told = (OSError, SettingsError, ServerUnavailableError, SinkUnavailableError, ModelError, ExtensionError)
    if isinstance(error, told):
        return str(error) or type(error).__name__
    return None


def run() -> None:
    """Entry point of the console script."""
    # aiokafka logs each failed attempt; a command says it once (roles set up logging themselves)
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    try:
        app(prog_name="accountpulse")
    except Exception as error:
        message = environment_fault(error)
        if message is None:
            raise
        complain(message)
        sys.exit(ExitCode.ENVIRONMENT)


if __name__ == "__main__":
    run()
