"""Level rules: conditions that hold for a while (section 8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.oracle.account import Level
from tests.oracle.alerting import AlertLine, alert, shown_band
from tests.oracle.cadence import learn
from tests.oracle.conditions import CONDITIONS, Situation
from tests.oracle.instants import HOUR

SILENCE_HOLD_HOURS = 24
LevelRules = list[tuple[str, dict[str, Any]]]
"""Names and options."""


def levels(s: Situation, rules: LevelRules) -> Iterator[AlertLine]:
    """What the level rules decide about an account at a tick."""
    standing = s.row.term.standing
    for name, options in rules:
        if name.startswith("silence") and not s.row.was_ended:
            learn(standing, s.facts, options)
        level = standing.levels[name]
        holds = False if s.row.was_ended else CONDITIONS[name](s, options, level.firing)
        if level.firing:
            yield from _firing(s, name, level, holds)
        else:
            yield from _quiet(s, name, level, holds, options["hold_hours"] * HOUR)


def level_rules(rules: dict[str, Any]) -> LevelRules:
    """The level rules that are on, with all their options; silence is one for each source."""
    found: LevelRules = []
    for name, options in rules.items():
        if name == "silence":
            for source in options["sources"]:
                found.append((f"silence_{source}", {"hold_hours": SILENCE_HOLD_HOURS, **options}))
        elif name in CONDITIONS:
            found.append((name, {"hold_hours": 0, **options}))
    return found


def _quiet(s: Situation, name: str, level: Level, holds: bool | None, hold: int) -> Iterator[AlertLine]:
    if not holds:
        level.pending_since = None
        return
    if level.pending_since is None:
        level.pending_since = s.now
    if s.now - level.pending_since >= hold:
        level.pending_since, level.firing = None, True
        level.episode += 1
        level.revision, level.band = 0, shown_band(s.row)
        yield alert(s.row, name, "firing", s.now, str(level.episode))


def _firing(s: Situation, name: str, level: Level, holds: bool | None) -> Iterator[AlertLine]:
    if holds is False:
        level.firing = False
        yield alert(s.row, name, "resolved", s.now, str(level.episode), level.revision)
    elif holds and shown_band(s.row) != level.band:
        level.revision += 1
        level.band = shown_band(s.row)
        yield alert(s.row, name, "firing", s.now, str(level.episode), level.revision)
