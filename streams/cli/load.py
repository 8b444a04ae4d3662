"""`accountpulse load`: a fleet that never stops producing, to watch an installation at work."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

import typer

from streams.clock import wall_ms
from streams.demo.feed import produce
from streams.demo.fleet import Fleet, generate
from streams.demo.load import EverydayUsage, inputs_are_empty, produce_live
from streams.demo.stories import SHORTEST_DAYS, STORIES
from streams.settings import Settings

INTERRUPTED: Final = 130


def load(
    *,
    rate: Annotated[float, typer.Option(min=0.1, max=5000, help="Events a second.")] = 20.0,
    accounts: Annotated[int, typer.Option(min=len(STORIES), max=5000)] = 300,
    days: Annotated[
        int, typer.Option(min=SHORTEST_DAYS, max=400, help="How long its past is.")
    ] = SHORTEST_DAYS,
    past_seconds: Annotated[float, typer.Option(min=1, help="Time taken for its past.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Another seed, another fleet.")] = 7,
) -> None:
    """Send a believable fleet without end: its past once, then its everyday usage in real time at a rate.

    The past, with the planted stories of the demo, is only sent into empty input topics.
    """
    fleet = Fleet(wall_ms(), seed, accounts, days)
    try:
        asyncio.run(_run(Settings(), fleet, rate, past_seconds))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


async def _run(settings: Settings, fleet: Fleet, rate: float, past_seconds: float) -> None:
    empty = await inputs_are_empty(settings)
    history = generate(fleet)
    if empty:
        typer.echo(f"the past: {len(history):,} events of {fleet.accounts} accounts over {fleet.days} days")
        await produce(settings, history, seconds=past_seconds, on_sent=lambda _: None)
    usage = EverydayUsage(history, rate)
    del history
    typer.echo(f"live: {rate:g} events a second")
    await produce_live(settings, usage, wall_ms)
