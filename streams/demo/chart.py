"""Charts of block characters: one stacked bar, and two stacked series over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.text import Text

_EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
_LEAST_TOP: Final = 4


def stacked_bar(parts: Sequence[tuple[int, str]], width: int) -> Text:
    """Counts with their colours as one bar of that many columns; what is not 0 gets a column at least."""
    total = sum(count for count, _ in parts)
    if not total:
        return Text("░" * width, style="grey23", no_wrap=True)
    cells = [max(round(count * width / total), 1) if count else 0 for count, _ in parts]
    cells[cells.index(max(cells))] -= sum(cells) - width
    return Text.assemble(
        *(("█" * n, colour) for n, (_, colour) in zip(cells, parts, strict=True)), no_wrap=True
    )


def area(
    series: Sequence[tuple[int, int]], days: int, width: int, rows: int, colours: tuple[str, str]
) -> tuple[int, list[Text]]:
    """Daily pairs stacked over `days` days: the first at the bottom, the second on it.

    Returns what the full height stands for, and the rows from top to bottom.
    """
    top = max([_LEAST_TOP, *(low + high for low, high in series)])
    columns = [_of_column(series, days, width, column) for column in range(width)]
    levels = rows * 8
    lines = []
    for row in range(rows - 1, -1, -1):
        line = Text(no_wrap=True)
        for low, high in columns:
            reach = (_level(low, top, levels) - row * 8, _level(low + high, top, levels) - row * 8)
            line.append(*_cell(reach, colours))
        lines.append(line)
    return top, lines


def _of_column(series: Sequence[tuple[int, int]], days: int, width: int, column: int) -> tuple[int, int]:
    """The worst day that falls into a column; nothing yet for days to come."""
    first, last = column * days // width, max((column + 1) * days // width, column * days // width + 1)
    return max(series[first:last], key=sum, default=(0, 0))


def _level(value: int, top: int, levels: int) -> int:
    """Eighths of a row; what is not 0 is seen."""
    return max(value * levels // top, 1) if value else 0


def _cell(reach: tuple[int, int], colours: tuple[str, str]) -> tuple[str, str]:
    """A character and its style for the part of both series within a row: one boundary fits, the wider one is kept."""
    low, both = (min(max(level, 0), 8) for level in reach)
    if low in {8, both}:
        return _EIGHTHS[low], colours[0]
    if not low:
        return _EIGHTHS[both], colours[1]
    if both == 8:
        return _EIGHTHS[low], f"{colours[0]} on {colours[1]}"
    return _EIGHTHS[both], colours[0] if low * 2 > both else colours[1]
