"""The cost of an event against accounts and workers, as an SVG written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _LEFT, _BASE, _TOP = 780, 300, 60, 230, 50
_PANEL: Final = 330
_STEPS: Final = 4

ACCOUNTS: Final = (
    ("5 k", "steady, 5 k accounts: CPU"),
    ("100 k Zipf", "steady, 100 k accounts, Zipf: CPU"),
    ("100 k uniform", "steady, 100 k accounts, uniform, 1 s commits: CPU"),
    ("1 M Zipf", "steady, 1 M accounts, Zipf: CPU"),
    ("1 M uniform", "steady, 1 M accounts, uniform: CPU"),
)
WORKERS: Final = (
    ("1 worker", "1 worker, 100 k accounts, uniform: CPU"),
    ("2 workers", "2 workers, 100 k accounts, uniform: CPU"),
    ("4 workers", "4 workers, 100 k accounts, uniform: CPU"),
)


def draw(figures: Mapping[str, Any]) -> str:
    """Two panels of bars: one worker by accounts, 100,000 accounts by workers."""
    body = [
        *_panel(figures, ACCOUNTS, _LEFT, "One worker, by accounts"),
        *_panel(figures, WORKERS, _LEFT + _PANEL + 50, "100 k accounts uniform, by workers"),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>\n'
        f'<text x="{_LEFT}" y="20" font-size="15">CPU of one event, microseconds, everything durable</text>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _panel(figures: Mapping[str, Any], series: Sequence[tuple[str, str]], left: int, title: str) -> list[str]:
    values = [figures.get(name, {}).get("value") for _, name in series]
    top = max([value for value in values if value is not None], default=1.0)
    step = _step(top)
    scale = (_BASE - _TOP - 20) / (step * _STEPS)
    out = [f'<text x="{left}" y="{_TOP - 8}" font-weight="bold">{escape(title)}</text>']
    for i in range(_STEPS + 1):
        y = _BASE - i * step * scale
        out.append(
            f'<line x1="{left}" x2="{left + _PANEL}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{i * step:g}</text>'
        )
    width = _PANEL / len(series)
    for i, ((label, _), value) in enumerate(zip(series, values, strict=True)):
        middle = left + (i + 0.5) * width
        height = (value or 0) * scale
        shown = "not measured" if value is None else f"{value:.2f}"
        out.append(
            f'<rect x="{middle - width * 0.3:.1f}" y="{_BASE - height:.1f}" width="{width * 0.6:.1f}" height="{height:.1f}" fill="#3b6ea5"/>'
            f'<text x="{middle:.1f}" y="{_BASE - height - 5:.1f}" text-anchor="middle">{shown}</text>'
            f'<text x="{middle:.1f}" y="{_BASE + 16}" text-anchor="middle" font-size="11">{escape(label)}</text>'
        )
    return out


def _step(top: float) -> float:
    """The smallest round step of which four reach the top."""
    size = 0.01
    while True:
        for factor in (1, 2, 5):
            if size * factor * _STEPS >= top:
                return size * factor
        size *= 10
