"""The live view: one frame for a terminal of any size, drawn from the picture. No side effects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from alerts.render import Notification
from scoring.record import ScoreRecord
from scoring.times import HOUR, iso
from streams.demo import words
from streams.demo.chart import area, stacked_bar
from streams.demo.picture import Picture

BAND_COLOURS: Final = {
    "green": "green3",
    "amber": "dark_orange",
    "red": "red1",
    "insufficient_data": "grey42",
    "ended": "grey27",
}
URGENCY_STYLES: Final = {
    "critical": "bold red1",
    "warning": "dark_orange",
    "info": "deep_sky_blue1",
    "opportunity": "green3",
}
_MARKS: Final = {"critical": "▲", "warning": "▲", "info": "●", "opportunity": "◆"}
_DIM: Final = "grey58"
WIDE: Final = 130
"""From so many columns on alerts stand beside the fleet."""
_TALL: Final = 34
_NARROW: Final = 100
_LABEL: Final = 5
_GAP: Final = 3


class Size(NamedTuple):
    """Of the terminal, in columns and rows."""

    width: int
    height: int


def frame(picture: Picture, size: Size) -> RenderableType:
    """What the terminal shows now; never higher than the terminal."""
    head = [*_header(picture, size.width), Text()]
    room = size.height - len(head)
    body = _beside(picture, size, room) if size.width >= WIDE else _stacked(picture, size, room)
    return Group(*head, *body)


def _beside(picture: Picture, size: Size, room: int) -> Iterator[RenderableType]:
    """Fleet and accounts at risk on the left, alerts on the right."""
    left = (size.width - _GAP) // 2
    right = size.width - left - _GAP
    rows = max(room // 3, 2)
    columns = Table.grid(padding=(0, _GAP, 0, 0))
    columns.add_column(width=left)
    columns.add_column(width=right)
    columns.add_row(
        Group(*_fleet(picture, left, rows), Text(), *_risk(picture, left, max(room - rows - 5, 1))),
        Group(*_alerts(picture, right, room - 1)),
    )
    yield columns


def _stacked(picture: Picture, size: Size, room: int) -> Iterator[RenderableType]:
    rows = 6 if size.height >= _TALL else 2
    most = max(min((room - rows - 6) // 2, 8), 1)
    yield from _fleet(picture, size.width, rows)
    yield Text()
    yield from _risk(picture, size.width, most)
    yield Text()
    yield from _alerts(picture, size.width, max(room - rows - most - 6, 0))


def _header(picture: Picture, width: int) -> Iterator[Text]:
    time = "waiting for the first scores" if picture.as_of < 0 else iso(picture.as_of)[:16].replace("T", " ")
    line = Text.assemble(
        ("accountpulse", "bold"), ("  stream time ", _DIM), (time, "bold"),
        ("  events/s ", _DIM), f"{picture.pace:>6,.0f}", ("  lag ", _DIM), f"{picture.lag:,}",
        no_wrap=True, overflow="ellipsis",
    )  # fmt: skip
    yield line
    done = int(picture.reached() * width)
    yield Text.assemble(("━" * done, "deep_sky_blue1"), ("━" * (width - done), "grey23"), no_wrap=True)
    yield _feeds(picture)


def _feeds(picture: Picture) -> Text:
    stale = picture.stale()
    if not stale:
        return Text("all feeds alive", style=_DIM)
    told = (
        f"{feed} for {(picture.as_of - since) // HOUR / 24:.1f} days" for feed, since in sorted(stale.items())
    )
    words_ = f"stale feed: {', '.join(told)}: silence there is held against nobody"
    return Text(words_, style="bold black on dark_orange", no_wrap=True, overflow="ellipsis")


def _title(text: str, width: int, more: str = "") -> Text:
    line = Text.assemble(
        (text, "bold"), ("  " + more if more else "", _DIM), no_wrap=True, overflow="ellipsis"
    )
    line.append(" " + "─" * max(width - line.cell_len - 1, 0), style="grey30")
    return line


def _fleet(picture: Picture, width: int, rows: int) -> Iterator[Text]:
    bands = picture.bands
    counts = ", ".join(f"{bands[code]} {words.band(code)}" for code in words.BANDS if bands[code])
    more = " · below: amber and red by day" if width > _NARROW else ""
    yield _title("fleet", width, counts + more)
    yield stacked_bar([(bands[code], BAND_COLOURS[code]) for code in words.BANDS], width)
    series = [(bands["red"], bands["amber"]) for bands in picture.days]
    colours = (BAND_COLOURS["red"], BAND_COLOURS["amber"])
    days = round((picture.end - picture.start) / (24 * HOUR))
    top, lines = area(series, days, width - _LABEL, rows, colours)
    for number, line in enumerate(lines):
        told = f"{top:>3} ┤" if not number else "  0 ┤" if number == rows - 1 else "    │"
        yield Text.assemble((told, _DIM), line, no_wrap=True)


def _risk(picture: Picture, width: int, most: int) -> Iterator[RenderableType]:
    yield _title("at risk by MRR", width, "monthly amount, score, 30 days, reasons")
    grid = Table.grid(padding=(0, 1, 0, 0))
    for _ in range(5):
        grid.add_column(no_wrap=True, overflow="ellipsis")
    some = picture.at_risk(most)
    for record in some:
        grid.add_row(*_risk_row(record, words.spark(picture.spark(record.account_id)), width))
    if not some:
        grid.add_row(Text("nobody is amber or red", style=_DIM))
    yield grid
    for _ in range(most - max(len(some), 1)):
        yield Text()


def _risk_row(record: ScoreRecord, spark: str, width: int) -> list[Text]:
    colour = BAND_COLOURS[record.band]
    step = 1 if width >= _NARROW else 2  # every second day of the 30 where there is little room
    called = 22 if width >= 78 else 16
    reasons = max(width - called - len(spark[::step]) - 15, 8)
    name = Text(words.name(record), no_wrap=True, overflow="ellipsis")
    name.truncate(called, overflow="ellipsis")
    why = Text(words.weakest(record), style=_DIM)
    why.truncate(reasons, overflow="ellipsis")
    amount = Text(words.at_risk(record).rjust(7))
    return [
        amount,
        name,
        Text(words.score(record), style=colour),
        Text(spark[1 - step :: step], style=colour),
        why,
    ]


def _alerts(picture: Picture, width: int, most: int) -> Iterator[Text]:
    counts = (f"{picture.fired[u]} {u}" for u in words.URGENCIES if picture.fired[u])
    yield _title("alerts", width, ", ".join(counts))
    shown = picture.newest_alerts(most)
    for told in shown:
        yield _alert(told, width)
    for _ in range(most - len(shown)):
        yield Text()


def _alert(told: Notification, width: int) -> Text:
    style = URGENCY_STYLES[words.urgency(told)]
    line = Text.assemble(
        (told.at[5:10] + " ", _DIM), (_MARKS[words.urgency(told)] + " ", style), (words.what(told), style),
        no_wrap=True, overflow="ellipsis",
    )  # fmt: skip
    if reason := words.why(told):
        line.append(f"  {reason}", style=_DIM)
    line.truncate(width, overflow="ellipsis")
    return line
