"""One panel of the dashboard as SVG: a number, lines, areas or bars, with axes and a legend.

A drawing of what the panel's queries answer, without Grafana; unit, stacking, style and colours are the panel's own.
"""  # noqa: INP001 - beside a program, not a package

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Any, Final, NamedTuple

INK, DIM, LINE, SURFACE = "#d8d9da", "#8e8e99", "#2c3235", "#181b1f"
PALETTE: Final = (
    "#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#ffa6b0", "#96d98d", "#ffcb7d",
)  # fmt: skip
NAMED: Final[Mapping[str, str]] = MappingProxyType(
    {"red": "#f2495c", "orange": "#ff9830", "green": "#73bf69"}
)
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 30, 44
LEGEND_AT_MOST: Final = 5
_SECONDS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))

Points = Sequence[tuple[float, float]]
"""(seconds of wall time, value); NaN where there is none."""


Layer = tuple[float, float, float]
"""(seconds of wall time, from, to)."""
Place = tuple[float, float]
"""Pixels from the left and from the top of the picture."""


class Series(NamedTuple):
    """One curve and its name in the legend."""

    name: str
    points: Points


class Box(NamedTuple):
    """Where a panel lies in the picture."""

    x: float
    y: float
    width: float
    height: float


def words(value: float, unit: str) -> str:
    """A value as the axis and the number of a panel show it."""
    if unit == "s" and abs(value) >= 1:
        size, name = next((size, name) for size, name in _SECONDS if abs(value) >= size)
        return f"{value / size:.3g} {name}"
    if unit == "s":
        return f"{value * 1000:.3g} ms" if value else "0"
    short = f"{value / 1000:.3g}k" if abs(value) >= 10_000 else f"{value:.4g}"
    return f"{short}/s" if unit in {"eps", "rowsps"} else short


def top_of(value: float, unit: str = "short") -> float:
    """The next round number at or above a value, for the end of an axis; seconds are round as they are shown."""
    if value <= 0:
        return 1.0
    if unit == "s" and value >= 1:
        shown = next(size for size, _ in _SECONDS if value >= size)
        return shown * top_of(value / shown)
    size = 10 ** math.floor(math.log10(value))
    return next(step * size for step in (1, 2, 2.5, 5, 10) if step * size >= value)


def layers_of(series: Sequence[Series], *, stacked: bool) -> list[list[Layer]]:
    """For each series (time, from, to): from what lies below it, or from 0 if they are not stacked."""
    below: dict[float, float] = {}
    out = []
    for one in series:
        layer = []
        for at, value in one.points:
            if not math.isnan(value):
                base = below.get(at, 0.0) if stacked else 0.0
                below[at] = base + value
                layer.append((at, base, base + value))
        out.append(layer)
    return out


def runs(layer: Sequence[Layer], step: float) -> Iterator[list[Layer]]:
    """A layer cut where values are missing: a line across would tell what nobody measured."""
    run: list[Layer] = []
    for point in layer:
        if run and point[0] - run[-1][0] > 1.5 * step:
            yield run
            run = []
        run.append(point)
    if run:
        yield run


def panel(
    spec: Mapping[str, Any], box: Box, series: Sequence[Series], span: tuple[float, float], step: float
) -> str:
    """A whole panel; `span` is the first and last moment, `step` the seconds between two values."""
    body = _number(spec, box, series) if spec["type"] == "stat" else _chart(spec, box, series, span, step)
    if not any(not math.isnan(value) for one in series for _, value in one.points):
        body = _text(box.x + box.width / 2, box.y + box.height / 2, "no data", DIM, 13, "middle")
    return (
        f"<g><title>{escape(spec['description'])}</title>"
        f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="3" fill="{SURFACE}" '
        f'stroke="{LINE}"/>{_text(box.x + 10, box.y + 19, spec["title"], INK, 13, weight=600)}{body}</g>\n'
    )


def _text(
    x: float, y: float, text: str, fill: str, size: int, anchor: str = "start", weight: int = 400
) -> str:
    bold = f' font-weight="{weight}"' if weight != 400 else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" font-size="{size}" '
        f'text-anchor="{anchor}"{bold}>{escape(text)}</text>'
    )


def _colours(spec: Mapping[str, Any], series: Sequence[Series]) -> list[str]:
    fixed = {}
    for override in spec["fieldConfig"].get("overrides", ()):
        colour = override["properties"][0]["value"]["fixedColor"]
        fixed[override["matcher"]["options"]] = NAMED.get(colour, colour)
    return [fixed.get(one.name, PALETTE[at % len(PALETTE)]) for at, one in enumerate(series)]


def _number(spec: Mapping[str, Any], box: Box, series: Sequence[Series]) -> str:
    named = spec["options"].get("textMode") == "value_and_name"
    out, step = [], box.width / max(len(series), 1)
    for at, one in enumerate(series):
        x = box.x + step * (at + 0.5)
        value = words(one.points[-1][1], _unit(spec)) if one.points else "-"
        out.append(_text(x, box.y + box.height * 0.68, value, PALETTE[0], 30, "middle", 600))
        if named:
            out.append(_text(x, box.y + box.height * 0.88, one.name, DIM, 12, "middle"))
    return "".join(out)


def _unit(spec: Mapping[str, Any]) -> str:
    return str(spec["fieldConfig"]["defaults"]["unit"])


def _chart(
    spec: Mapping[str, Any], box: Box, series: Sequence[Series], span: tuple[float, float], step: float
) -> str:
    custom = spec["fieldConfig"]["defaults"]["custom"]
    layers = layers_of(series, stacked=custom["stacking"]["mode"] != "none")
    end = top_of(max((to for layer in layers for _, _, to in layer), default=0.0), _unit(spec))
    width, height = box.width - LEFT - RIGHT, box.height - TOP - BOTTOM
    across = width / max(span[1] - span[0], 1e-9)

    def place(at: float, value: float) -> Place:
        return box.x + LEFT + across * (at - span[0]), box.y + TOP + height * (1 - value / end)

    out, colours = [_axes(box, end, _unit(spec), span)], _colours(spec, series)
    for layer, colour in zip(layers, colours, strict=True):
        for run in runs(layer, step):
            down, up = [place(at, low) for at, low, _ in run], [place(at, high) for at, _, high in run]
            if custom["drawStyle"] == "bars":
                out.append(_bars(down, up, colour, 0.8 * step * across))
            else:
                out.append(_area(down, up, colour, custom["fillOpacity"] / 100))
    return "".join(out) + _legend(box, series, colours)


def _axes(box: Box, end: float, unit: str, span: tuple[float, float]) -> str:
    out = []
    width, height = box.width - LEFT - RIGHT, box.height - TOP - BOTTOM
    for part in (0, 0.5, 1):
        y = box.y + TOP + height * (1 - part)
        out.append(f'<path d="M{box.x + LEFT:.1f} {y:.1f}h{width:.1f}" stroke="{LINE}"/>')
        out.append(_text(box.x + LEFT - 6, y + 4, words(end * part, unit), DIM, 10, "end"))
    for part, anchor in ((0, "start"), (0.5, "middle"), (1, "end")):
        at = time.strftime("%H:%M:%S", time.gmtime(span[0] + (span[1] - span[0]) * part))
        out.append(_text(box.x + LEFT + width * part, box.y + TOP + height + 14, at, DIM, 10, anchor))
    return "".join(out)


def _line(points: Sequence[Place]) -> str:
    return "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _area(down: Sequence[Place], up: Sequence[Place], colour: str, fill: float) -> str:
    edge = f"M{_line(up)}"
    shape = f'<path d="{edge}L{_line(down[::-1])}Z" fill="{colour}" fill-opacity="{fill:g}"/>'
    return f'{shape}<path d="{edge}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _bars(down: Sequence[Place], up: Sequence[Place], colour: str, wide: float) -> str:
    """Each counts what happened before its moment, and so ends there."""
    return "".join(
        f'<rect x="{x - wide:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{low - y:.1f}" fill="{colour}" '
        'fill-opacity="0.8"/>'
        for (x, y), (_, low) in zip(up, down, strict=True)
        if low > y
    )


def _legend(box: Box, series: Sequence[Series], colours: Sequence[str]) -> str:
    """The names that fit, and how many do not."""
    out, x, y = [], box.x + 10, box.y + box.height - 9
    for at, (one, colour) in enumerate(zip(series, colours, strict=True)):
        wide = 24 + 5.6 * len(one.name)
        if at >= LEGEND_AT_MOST or x + wide > box.x + box.width - 50:
            out.append(_text(x, y, f"+{len(series) - at} more", DIM, 10))
            break
        out.append(f'<rect x="{x:.1f}" y="{y - 6:.1f}" width="10" height="4" fill="{colour}"/>')
        out.append(_text(x + 14, y, one.name, INK, 10))
        x += wide
    return "".join(out)
