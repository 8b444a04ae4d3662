"""Records a real run of the demo as an SVG that plays in any browser: `python -m streams.demo.record FILE`.

rich draws each frame; the frames lie on each other and are shown one after the other. Where nothing moves (or
`prefers-reduced-motion` asks for that), the last one is seen.
"""

from __future__ import annotations

import asyncio
import io
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console, RenderableType
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

from alerts.render import Notification
from scoring.times import HOUR
from streams.clock import wall_ms
from streams.demo.fleet import Fleet
from streams.demo.live import Size, frame
from streams.demo.picture import Picture
from streams.demo.report import summary
from streams.demo.roles import Plan
from streams.demo.run import run

Drawing = list[RenderableType]
SIZE: Final = Size(104, 34)
SECONDS: Final = 18.0
PARTS: Final = 12
"""Frames of a run, besides those of the outage and of the end."""
FRAME_S: Final = 1.1
LAST_S: Final = 4.0
SUMMARY_S: Final = 7.0
ACCOUNTS: Final = 300
DAYS: Final = 180
_LETTER: Final = 0.61
"""Width of a letter as a share of its height."""
_FRAME: Final = """\
<g class="frame f{unique_id}"><style>{styles}</style>{backgrounds}<g class="text">{matrix}</g></g>
"""
_FILE: Final = """\
<svg viewBox="0 0 {width:.0f} {height:.0f}" xmlns="http://www.w3.org/2000/svg">
<title>accountpulse demo: {title}</title>
<style>
.text {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 20px; }}
.frame {{ visibility: hidden; animation-duration: {seconds:.2f}s; animation-iteration-count: infinite;
  animation-timing-function: step-end; }}
.f{still} {{ visibility: visible; }}
{moves}
@media (prefers-reduced-motion: reduce) {{ .frame {{ animation: none !important; }} }}
</style>
<rect fill="#14161b" width="100%" height="100%" rx="10"/>
<g transform="translate(16, 12)">
{frames}</g>
</svg>
"""


class RecordingScreen:
    """Keeps a frame each time another part of the fleet's time was scored, and when a feed is found dead."""

    def __init__(self) -> None:
        self.frames: list[Drawing] = []

    def note(self, text: str) -> None:
        """On standard error: the recording begins with the view."""
        sys.stderr.write(f"{text}\n")

    def alert(self, told: Notification) -> None:
        """The picture has it."""
        del told

    @contextmanager
    def showing(self, picture: Picture) -> Iterator[None]:
        """While frames are kept."""
        yield
        self.frames.append([frame(picture, SIZE)])

    async def refresh(self, picture: Picture) -> None:
        """A frame for each part of the time."""
        parts, was_stale = 0, False
        while True:
            stale = bool(picture.stale())
            if picture.reached() * PARTS >= parts + 1 or (stale and not was_stale):
                parts = int(picture.reached() * PARTS)
                self.frames.append([frame(picture, SIZE)])
            was_stale = stale
            await asyncio.sleep(0.05)


def film(frames: Sequence[Drawing], seconds: Sequence[float], still: int, title: str) -> str:
    """The frames as one SVG, each for its seconds; `still` is the one that is seen where nothing moves."""
    total, passed, moves = sum(seconds), 0.0, []
    for number, length in enumerate(seconds):
        shown, gone = 100 * passed / total, 100 * (passed + length) / total
        passed += length
        hidden = f"{gone:.3f}% {{ visibility: hidden }}" if gone < 100 else ""
        start = "0% { visibility: hidden } " if number else ""
        keys = f"{start}{shown:.3f}% {{ visibility: visible }} {hidden}"
        moves.append(f"@keyframes k{number} {{ {keys} }} .f{number} {{ animation-name: k{number}; }}")
    return _FILE.format(
        width=SIZE.width * 20 * _LETTER + 32,
        height=SIZE.height * 24.4 + 24,
        title=title,
        seconds=total,
        still=still,
        moves="\n".join(moves),
        frames="".join(_drawn(drawing, number) for number, drawing in enumerate(frames)),
    )


def _drawn(drawing: Drawing, number: int) -> str:
    console = Console(
        record=True, width=SIZE.width, height=SIZE.height, file=io.StringIO(), force_terminal=True,
        color_system="truecolor", highlight=False, legacy_windows=False,
    )  # fmt: skip
    for part in drawing:
        console.print(part, no_wrap=True, overflow="ellipsis")
    svg = console.export_svg(
        unique_id=str(number), code_format=_FRAME, font_aspect_ratio=_LETTER, theme=SVG_EXPORT_THEME
    )
    svg = re.sub(r' clip-path="[^"]*"', "", svg)
    # class names must not begin with a digit
    return re.sub(rf'(class="|\.){number}-r', rf"\g<1>c{number}-", svg)


async def record() -> str:
    """Run the demo and return the recording. Raises as `streams.demo.run.run` does."""
    screen = RecordingScreen()
    fleet = Fleet(wall_ms(), accounts=ACCOUNTS, days=DAYS)
    outcome = await run(fleet, Plan(6 * HOUR, DAYS), screen, seconds=SECONDS)
    last: Drawing = [Text("$ accountpulse demo", style="bold"), *list(summary(outcome))[: SIZE.height - 1]]
    seconds = [*(FRAME_S for _ in screen.frames[:-1]), LAST_S, SUMMARY_S]
    title = f"{outcome.events:,} events of {fleet.accounts} accounts through Kafka, a worker and a notifier"
    return film([*screen.frames, last], seconds, len(screen.frames) - 1, title)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(asyncio.run(record()), "utf-8")
