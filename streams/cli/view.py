"""`accountpulse view`: the role that keeps the Redis view, as a process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import Annotated, Final

import typer
from prometheus_client import CollectorRegistry

from streams import logs
from streams.settings import Settings
from streams.view import ViewRole, probes

DEADLINE_S: Final = 5.0
"""Between a signal and the end of the process."""


def view(
    *,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild", help="Build a new view first; readers see the old one until it is complete."
        ),
    ] = False,
    once: Annotated[
        bool,
        typer.Option("--once", help="End when the view holds what the topic holds now; serve no probes."),
    ] = False,
) -> None:
    """Keep the view of scores in Redis up to date."""
    settings = Settings()
    logs.configure(settings)
    asyncio.run(_serve(settings, rebuild=rebuild, once=once))


async def _serve(settings: Settings, *, rebuild: bool, once: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    registry = CollectorRegistry()
    role = ViewRole(settings, registry, rebuild=rebuild)
    served = contextlib.nullcontext() if once else probes(settings, role, registry)
    async with served:
        work = asyncio.create_task(role.run(stop, once=once))
        await asyncio.wait([work, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([work], timeout=DEADLINE_S)
        work.cancel()  # with Kafka gone it would wait for an answer; nothing is lost by leaving
        with contextlib.suppress(asyncio.CancelledError):
            await work
