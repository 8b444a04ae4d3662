"""Draws the dashboard from a Prometheus, without Grafana: `python deploy/grafana/render.py URL OUT.svg`.

Every panel's queries are asked over the last minutes and drawn where Grafana would draw them: a picture of the
data, not of Grafana.
"""  # noqa: INP001 - a program, not a package

from __future__ import annotations

import argparse
import json
import math
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from chart import DIM, INK, Box, Series, panel

DASHBOARD: Final = Path(__file__).with_name("dashboards") / "accountpulse.json"
WIDTH, UNIT, GAP = 1560, 24, 8
"""Pixels: of the picture, of a row of the grid, between panels."""
POINTS: Final = 100
BARS: Final = 20
SCRAPES: Final = 4
"""`rate` needs several samples in its window, as `$__rate_interval` has it."""

Ask = Callable[..., Any]
"""`ask("query_range", query=..., ...)`: the field `data` of an answer of Prometheus's API."""


def step_of(spec: Mapping[str, Any], span: tuple[float, float], scrape: float) -> int:
    """Seconds between two values of a panel; a bar counts what happened in between, so it needs several samples."""
    bars = spec["type"] != "stat" and spec["fieldConfig"]["defaults"]["custom"]["drawStyle"] == "bars"
    count, least = (BARS, SCRAPES * scrape) if bars else (POINTS, scrape)
    return math.ceil(max((span[1] - span[0]) / count, least))


def series_of(
    spec: Mapping[str, Any], ask: Ask, span: tuple[float, float], step: int, scrape: float
) -> list[Series]:
    """What the queries of a panel answer over the span; `scrape` is the interval of scraping in seconds."""
    found: list[Series] = []
    for target in spec["targets"]:
        window = round(max(SCRAPES * scrape, step + scrape) * 1000)  # a duration of PromQL has no fraction
        query = (
            target["expr"]
            .replace("$__rate_interval", f"{window}ms")
            .replace("$__interval_ms", str(step * 1000))
        )
        if target.get("instant"):
            answers = ask("query", query=query, time=span[1])["result"]
        else:
            answers = ask("query_range", query=query, start=span[0], end=span[1], step=step)["result"]
        for one in answers:
            values = [one["value"]] if "value" in one else one["values"]
            points = [(float(at), float(value)) for at, value in values]
            found.append(Series(_name(target["legendFormat"], one["metric"]), points))
    return found


def _name(legend: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend).strip()


def draw(dashboard: Mapping[str, Any], ask: Ask, span: tuple[float, float], scrape: float) -> str:
    """The dashboard as SVG."""
    out, column = [], (WIDTH + GAP) / 24
    for spec in dashboard["panels"]:
        grid = spec["gridPos"]
        box = Box(grid["x"] * column, 40 + grid["y"] * UNIT, grid["w"] * column - GAP, grid["h"] * UNIT - GAP)
        if spec["type"] == "row":
            out.append(f'<text x="0" y="{box.y + 15:g}" fill="{INK}" font-size="15">{spec["title"]}</text>\n')
        else:
            step = step_of(spec, span, scrape)
            out.append(panel(spec, box, series_of(spec, ask, span, step, scrape), span, step))
    height = 40 + UNIT * max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in dashboard["panels"])
    day = time.strftime("%Y-%m-%d", time.gmtime(span[1]))
    head = (
        f'<text x="0" y="20" fill="{INK}" font-size="18" font-weight="600">{dashboard["title"]}</text>'
        f'<text x="{WIDTH}" y="20" fill="{DIM}" font-size="12" text-anchor="end">'
        f"{day} UTC, {span[1] - span[0]:.0f} s; the dashboard's queries, drawn by deploy/grafana/render.py</text>\n"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-12 -6 {WIDTH + 24} {height + 12}" '
        f'font-family="Inter, Helvetica, Arial, sans-serif">\n'
        f'<rect x="-12" y="-6" width="{WIDTH + 24}" height="{height + 12}" fill="#111217"/>\n'
        f"{head}{''.join(out)}</svg>\n"
    )


def client(url: str) -> Ask:
    """Asks a Prometheus. Raises OSError if it cannot be reached or refuses."""

    def ask(path: str, **arguments: object) -> Any:  # noqa: ANN401 - what JSON holds
        query = urllib.parse.urlencode(arguments)
        with urllib.request.urlopen(f"{url.rstrip('/')}/api/v1/{path}?{query}", timeout=30) as answer:  # noqa: S310
            return json.load(answer)["data"]

    return ask


def main() -> None:
    """Draw the last minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of the Prometheus, as http://127.0.0.1:9090")
    parser.add_argument("out", type=Path, help="the SVG to write")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--scrape", type=float, default=15, help="seconds between two scrapes")
    options = parser.parse_args()
    until = time.time()  # noqa: TID251 - a tool of its own, no part of the product
    span = (until - options.minutes * 60, until)
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    options.out.write_text(draw(dashboard, client(options.url), span, options.scrape), "utf-8")


if __name__ == "__main__":
    main()
