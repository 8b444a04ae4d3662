"""`accountpulse notifier`: the delivery role as a process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import Annotated, Final

import structlog
import typer
from prometheus_client import CollectorRegistry

from alerts.sinks.base import Sink, SinkUnavailableError
from streams import logs
from streams import notifier as role
from streams.cli.output import ExitCode, complain
from streams.routes_file import read_routes
from streams.settings import Settings

DEADLINE_S: Final = 15.0
"""Between a signal and the end of the process, whatever hangs."""
logger = structlog.get_logger(__name__)


def notifier(
    sink: Annotated[
        list[str] | None,
        typer.Option("--sink", metavar="NAME", help="Also deliver to this installed sink; may be repeated."),
    ] = None,
) -> None:
    """Deliver alerts to the configured sinks."""
    settings = Settings()
    try:
        sinks = role.create_sinks(settings, sink or ())
        tree = read_routes(settings.sinks.routes)
    except (SinkUnavailableError, ValueError) as error:
        for line in str(error).splitlines():
            complain(line)
        raise typer.Exit(ExitCode.ENVIRONMENT) from None
    if not sinks:
        complain(
            "no sink is configured: ACCOUNTPULSE_SINKS__SLACK__*, __WEBHOOK__* or __STDOUT=true, or --sink"
        )
        raise typer.Exit(ExitCode.USAGE)
    for gap in [] if tree is None else tree.gaps({one.name for one in sinks}):
        complain(f"note: {gap}")
    logs.configure(settings)
    asyncio.run(_serve(settings, sinks))


async def _serve(settings: Settings, sinks: list[Sink]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _end, loop, stop)
    await role.run(settings, sinks, CollectorRegistry(), stop)


def _end(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    stop.set()
    loop.call_later(DEADLINE_S, _give_up)


def _give_up() -> None:
    # With the broker gone the clients wait for it. Sent alerts stand in the delivery log, the rest in Kafka.
    logger.error("stopped_hard", deadline_s=DEADLINE_S)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(ExitCode.ENVIRONMENT)
