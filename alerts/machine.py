"""The state machine of a level alert: per account and rule, one step a tick.

Its table stands in docs/alerting.md, drawn from `decide`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from alerts.model import Phase, Reason


class Code(IntEnum):
    """Phases as stored in the account's row."""

    INACTIVE = 0
    PENDING = 1
    FIRING = 2
    NO_DATA = 3


class Level(NamedTuple):
    """Where a rule stands for one account; times in milliseconds."""

    phase: Code = Code.INACTIVE
    since: int = -1
    """When the phase began."""
    episode: int = 0
    """Firings in this term."""
    revision: int = 0
    """How often the present or last firing was told again."""
    band: int = -1
    """The band last told."""
    told: int = -1
    """When it was last told."""


class Decision(NamedTuple):
    """The next level, and what to tell: a phase to publish or None."""

    level: Level
    publish: Phase | None
    reason: Reason


def decide(
    level: Level, condition: bool | None, now: int, hold: int, *, band: int = -1, ended: bool = False
) -> Decision:
    """One step. `condition` is None when it cannot be told; `hold` in milliseconds; `band` as decided now."""
    if level.phase in (Code.FIRING, Code.NO_DATA):
        return _while_firing(level, condition, now, band, ended=ended)
    if ended or not condition:
        if level.phase == Code.PENDING:
            quiet = level._replace(phase=Code.INACTIVE, since=now)
            return Decision(quiet, None, Reason.CONDITION_CLEARED)
        return Decision(level, None, Reason.UNCHANGED)
    since = level.since if level.phase == Code.PENDING else now
    if now - since >= hold:
        fired = Level(Code.FIRING, now, level.episode + 1, 0, band, now)
        return Decision(fired, Phase.FIRING, Reason.HOLD_ELAPSED if hold else Reason.CONDITION_MET)
    return Decision(level._replace(phase=Code.PENDING, since=since), None, Reason.CONDITION_MET)


def _while_firing(level: Level, condition: bool | None, now: int, band: int, *, ended: bool) -> Decision:
    if ended or condition is False:
        over = level._replace(phase=Code.INACTIVE, since=now, told=now)
        return Decision(over, Phase.RESOLVED, Reason.ACCOUNT_ENDED if ended else Reason.CONDITION_CLEARED)
    if condition is None:
        if level.phase == Code.NO_DATA:
            return Decision(level, None, Reason.UNCHANGED)
        return Decision(level._replace(phase=Code.NO_DATA, since=now), None, Reason.DATA_MISSING)
    returned = level.phase == Code.NO_DATA
    fires = level._replace(phase=Code.FIRING, since=now) if returned else level
    if band != level.band:
        again = fires._replace(revision=level.revision + 1, band=band, told=now)
        return Decision(again, Phase.FIRING, Reason.CHANGED)
    return Decision(fires, None, Reason.DATA_RETURNED if returned else Reason.UNCHANGED)
