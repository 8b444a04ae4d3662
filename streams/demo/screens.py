"""Where a run says what happens: a live view on a terminal, plain lines everywhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.live import Live

from alerts.model import Kind, Phase
from alerts.render import Notification
from scoring.times import iso
from streams.cli.output import printable
from streams.demo.live import Size, frame
from streams.demo.picture import Picture

_FRAME_S: Final = 0.2
LEAST: Final = Size(60, 16)
"""A smaller terminal gets plain lines."""


class PlainScreen:
    """Lines on standard output: alerts as they fire, with their reasons."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def note(self, text: str) -> None:
        """Print it."""
        self._print(text)

    def alert(self, told: Notification) -> None:
        """Print what fired, for risks with the reasons and what costs most; what is over is counted in the summary."""
        if told.phase is not Phase.FIRING or told.revision:
            return
        self._print(f"{told.at[:16].replace('T', ' ')}  {told.title}")
        for item in (*told.evidence, *told.drivers[:1]) if told.kind is Kind.RISK else ():
            events = f" [{', '.join(item.events[:3])}]" if item.events else ""
            self._print(f"{'':18}- {item.text}{events}")

    @contextmanager
    def showing(self, picture: Picture) -> Iterator[None]:
        """Nothing more than the alerts."""
        del picture
        yield

    async def refresh(self, picture: Picture) -> None:
        """Say when a feed is found dead, and when it is back."""
        told: dict[str, int] = {}
        while True:
            stale = picture.stale()
            for feed in sorted(stale.keys() - told.keys()):
                self._print(f"{_minute(picture.as_of)}  Stale feed: {feed}, since {_minute(stale[feed])}")
            for feed in sorted(told.keys() - stale.keys()):
                self._print(f"{_minute(picture.as_of)}  Feed is back: {feed}")
            told = stale
            await asyncio.sleep(_FRAME_S)

    def _print(self, line: str) -> None:
        self._console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


class LiveScreen:
    """The live view on the alternate screen of a terminal, which is restored however the run ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    def note(self, text: str) -> None:
        """Print it, before the view takes the screen."""
        self._console.print(printable(text), markup=False, highlight=False)

    def alert(self, told: Notification) -> None:
        """The picture has it."""
        del told

    @contextmanager
    def showing(self, picture: Picture) -> Iterator[None]:
        """Take the screen, and give it back."""
        first = frame(picture, Size(*self._console.size))
        with Live(
            first, console=self._console, screen=True, auto_refresh=False, vertical_overflow="crop"
        ) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    async def refresh(self, picture: Picture) -> None:
        """Draw a few times a second."""
        while self._live is not None:
            self._live.update(frame(picture, Size(*self._console.size)), refresh=True)
            await asyncio.sleep(_FRAME_S)


def screen_for(console: Console, *, plain: bool) -> PlainScreen | LiveScreen:
    """The live view, if the console is a terminal that can show it."""
    size = Size(*console.size)
    able = console.is_terminal and not console.is_dumb_terminal and size.width >= LEAST.width
    return LiveScreen(console) if able and size.height >= LEAST.height and not plain else PlainScreen(console)


def _minute(at: int) -> str:
    return iso(at)[:16].replace("T", " ")
