"""`accountpulse notifier`: the delivery role as a process."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry

from alerts.sinks.base import Sink, SinkUnavailableError
from streams import notifier as role
from streams.cli.output import ExitCode, complain
from streams.settings import Settings


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
    except (SinkUnavailableError, ValueError) as error:
        complain(str(error))
        raise typer.Exit(ExitCode.ENVIRONMENT) from None
    if not sinks:
        complain(
            "no sink: set ACCOUNTPULSE_SINKS__WEBHOOK__URL and __SECRET, ACCOUNTPULSE_SINKS__STDOUT or --sink"
        )
        raise typer.Exit(ExitCode.USAGE)
    asyncio.run(_serve(settings, sinks))


async def _serve(settings: Settings, sinks: list[Sink]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await role.run(settings, sinks, CollectorRegistry(), stop)
