"""The state table of docs/alerting.md, drawn from `alerts.machine.decide`: `python -m tests.alert_states` writes it there."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from alerts.machine import Code, Level, decide
from alerts.model import Reason

PAGE = Path(__file__).parents[1] / "docs/alerting.md"
BEGIN = "<!-- begin: states, drawn by `python -m tests.alert_states` -->\n"
END = "<!-- end: states -->\n"
NOW, HOLD, BAND = 1000, 100, 1
HOLDS = {"none": (0, NOW - 1), "not over": (HOLD, NOW - HOLD + 1), "over": (HOLD, NOW - HOLD)}
"""Name to the rule's hold and since when the phase lasts."""
COLUMNS = {
    "holds": ((True,), (BAND,), False),
    "holds, the band is another": ((True,), (BAND + 1,), False),
    "does not hold": ((False,), (BAND, BAND + 1), False),
    "cannot be told": ((None,), (BAND, BAND + 1), False),
    "account ended": ((True, False, None), (BAND, BAND + 1), True),
}
"""Heading to the conditions, bands and end that it stands for: all of them have to come to the same."""
NAMES = {("not over", "over"): "some", tuple(HOLDS): "any"}


def table() -> str:
    """One row per phase and hold, holds that make no difference in one."""
    lines = [["phase", "hold", *COLUMNS], ["---"] * (2 + len(COLUMNS))]
    for phase in Code:
        for cells, alike in groupby(HOLDS, key=lambda hold: _row(phase, hold)):
            holds = tuple(alike)
            lines.append([f"**{phase.name.lower()}**", NAMES.get(holds, ", ".join(holds)), *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _row(phase: Code, hold: str) -> list[str]:
    return [_cell(phase, hold, *column) for column in COLUMNS.values()]


def _cell(
    phase: Code, hold: str, conditions: tuple[bool | None, ...], bands: tuple[int, ...], ended: bool
) -> str:
    length, since = HOLDS[hold]
    level = Level(phase, since, 1, 0, BAND, since)
    told = {
        _words(phase, *decide(level, condition, NOW, length, band=band, ended=ended))
        for condition in conditions
        for band in bands
    }
    [words] = told
    return words


def _words(before: Code, level: Level, publish: object, reason: Reason) -> str:
    if reason is Reason.UNCHANGED:
        return "stays"
    step = "stays" if level.phase == before else level.phase.name.lower()
    return f"{step}, tells `{publish}`: `{reason}`" if publish else f"{step}: `{reason}`"


def drawn(page: str) -> str:
    """What stands between the markers of a page."""
    return page.partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    PAGE.write_text(before + BEGIN + table() + END + rest.partition(END)[2], "utf-8")
