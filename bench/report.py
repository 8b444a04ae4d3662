"""`python -m bench.report`: the tables of bench/README.md and docs/scale.md, and the plot, from results/latest.json.

Nobody types a number: what stands between the markers is replaced.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench import plot, scale
from bench.catalogue import CATALOGUE, PEERS
from bench.workers import ROOT

RESULTS: Final = ROOT / "bench/results/latest.json"
README: Final = ROOT / "bench/README.md"
SCALE: Final = ROOT / "docs/scale.md"
PLOT: Final = ROOT / "docs/images/bench-cost.svg"

Figures = Mapping[str, Mapping[str, Any]]


def product_table(figures: Figures) -> str:
    """Every figure but those of the peers, with its bar."""
    rows = ["| figure | value | unit | bar | |", "|---|---|---|---|---|"]
    rows += [
        _row(name, figures[name])
        for name in CATALOGUE
        if name in figures and not name.startswith("toy job, ") and _said(figures[name])
    ]
    return "\n".join(rows) + "\n"


def peers_table(figures: Figures) -> str:
    """The toy job, one system a line, the cheapest first; those that could not be had, with the reason."""
    rows = [
        "| system | us/event | events/s and core | memory, MB | ours against it |",
        "|---|---|---|---|---|",
    ]
    names = ["our transport", *PEERS.values()]
    measured = [name for name in names if _value(figures, f"toy job, {name}: CPU") is not None]
    for name in sorted(measured, key=lambda each: _value(figures, f"toy job, {each}: CPU") or 0):
        label = f"**{name}**" if name == "our transport" else name
        ratio = _value(figures, f"toy job, ours against {name}")
        against = "" if ratio is None else f"{ratio:.2f} times"
        rows.append(
            f"| {label} | {_value(figures, f'toy job, {name}: CPU'):.2f} | {_value(figures, f'toy job, {name}'):,.0f} "
            f"| {_value(figures, f'toy job, {name}: memory'):,.0f} | {against} |"
        )
    for name in names:
        note = figures.get(f"toy job, {name}", {}).get("note")
        if note:
            rows.append(f"| {name} | not measured: {_cell(note)} | | | |")
    return "\n".join(rows) + "\n"


def machine_line(result: Mapping[str, Any]) -> str:
    """What it was measured on and with."""
    machine, versions = result["machine"], result["versions"]
    memory = f", {machine['memory_gb']} GB" if "memory_gb" in machine else ""
    told = ", ".join(f"{name} {number}" for name, number in versions.items())
    return f"{machine['cores']} cores of an {machine['cpu']}{memory}, {machine['system']}; {told}.\n"


def placed(page: str, name: str, text: str) -> str:
    """A page with the text between the markers of a name replaced. Raises ValueError if it has no such markers."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError(f"the page needs one pair of markers {begin} and {end}")
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n{text}{end}{rest.partition(end)[2]}"


def _row(name: str, figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return (
            f"| {name} | not measured: {_cell(figure['note'])} | {figure['unit']} | {_bar(name, figure)} | |"
        )
    verdict = "" if figure["bar"] is None else "met" if figure["ok"] else "**missed**"
    return f"| {name} | {figure['value']:,} | {figure['unit']} | {_bar(name, figure)} | {verdict} |"


def _said(figure: Mapping[str, Any]) -> bool:
    return figure["value"] is not None or "note" in figure


def _bar(name: str, figure: Mapping[str, Any]) -> str:
    if figure["bar"] is None:
        return ""
    return f"{'at most' if CATALOGUE[name].most else 'at least'} {figure['bar']:,}"


def _cell(note: str) -> str:
    return note.replace("|", "/")[:160]


def _value(figures: Figures, name: str) -> float | None:
    value: float | None = figures.get(name, {}).get("value")
    return value


def write(result: Mapping[str, Any]) -> None:
    """Replace what the pages and the plot show."""
    figures = result["figures"]
    page = README.read_text("utf-8")
    for name, text in (
        ("machine", machine_line(result)),
        ("results", product_table(figures)),
        ("peers", peers_table(figures)),
    ):
        page = placed(page, name, text)
    README.write_text(page, "utf-8")
    SCALE.write_text(placed(SCALE.read_text("utf-8"), "plan", scale.table(figures)), "utf-8")
    PLOT.write_text(plot.draw(figures), "utf-8")


if __name__ == "__main__":
    write(json.loads(Path(sys.argv[1] if len(sys.argv) > 1 else RESULTS).read_text("utf-8")))
