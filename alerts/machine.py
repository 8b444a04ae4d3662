"""The state machine of a level alert: per account and rule, one step a tick.

| phase | condition holds | does not hold | cannot be told | account ended |
|---|---|---|---|---|
| inactive | pending, or firing if the rule has no hold | - | - | - |
| pending | firing once it held for the rule's hold | inactive | inactive | inactive |
| firing | - | resolved, then inactive | no_data (keeps firing) | resolved, then inactive |
| no_data | firing again, same episode | resolved, then inactive | - | resolved, then inactive |
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
    """Where a rule stands for one account: phase, since when (milliseconds), firings in this term."""

    phase: Code = Code.INACTIVE
    since: int = -1
    episode: int = 0


class Decision(NamedTuple):
    """The next level, and what to tell: a phase to publish or None."""

    level: Level
    publish: Phase | None
    reason: Reason


def decide(level: Level, condition: bool | None, now: int, hold: int, *, ended: bool = False) -> Decision:
    """One step. `condition` is None when it cannot be told; `hold` in milliseconds."""
    if level.phase in (Code.FIRING, Code.NO_DATA):
        return _while_firing(level, condition, now, ended=ended)
    if ended or not condition:
        quiet = Level(Code.INACTIVE, now, level.episode) if level.phase == Code.PENDING else level
        return Decision(quiet, None, Reason.CONDITION_CLEARED if quiet is not level else Reason.UNCHANGED)
    since = level.since if level.phase == Code.PENDING else now
    if now - since >= hold:
        fired = Level(Code.FIRING, now, level.episode + 1)
        return Decision(fired, Phase.FIRING, Reason.HOLD_ELAPSED if hold else Reason.CONDITION_MET)
    return Decision(Level(Code.PENDING, since, level.episode), None, Reason.CONDITION_MET)


def _while_firing(level: Level, condition: bool | None, now: int, *, ended: bool) -> Decision:
    if ended:
        return Decision(Level(Code.INACTIVE, now, level.episode), Phase.RESOLVED, Reason.ACCOUNT_ENDED)
    if condition is None:
        if level.phase == Code.NO_DATA:
            return Decision(level, None, Reason.UNCHANGED)
        return Decision(Level(Code.NO_DATA, now, level.episode), None, Reason.DATA_MISSING)
    if not condition:
        return Decision(Level(Code.INACTIVE, now, level.episode), Phase.RESOLVED, Reason.CONDITION_CLEARED)
    if level.phase == Code.NO_DATA:
        return Decision(Level(Code.FIRING, now, level.episode), None, Reason.DATA_RETURNED)
    return Decision(level, None, Reason.UNCHANGED)
