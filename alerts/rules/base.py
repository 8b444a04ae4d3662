"""What a rule is: a condition over many accounts at once, and words for one of them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from alerts.model import Evidence, Kind, Severity
from scoring.evaluate import Evaluation
from scoring.facts import Facts
from scoring.state import Store
from scoring.times import Int64


class Tick(NamedTuple):
    """The accounts evaluated at a tick, after their bands were decided."""

    store: Store
    rows: Int64
    facts: Facts
    evaluation: Evaluation


class Verdict(NamedTuple):
    """Per account: does the condition hold, and can it be told at all?"""

    holds: NDArray[np.bool_]
    known: NDArray[np.bool_]


class LevelRule(Protocol):
    """A condition that holds or does not, decided at ticks."""

    name: str
    kind: Kind
    severity: Severity
    play: str
    hold_ms: int

    def verdict(self, tick: Tick) -> Verdict:
        """The condition over all accounts of a tick."""
        ...

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """Why it holds for account i of the tick."""
        ...
