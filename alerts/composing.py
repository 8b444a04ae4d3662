"""An alert put together from a rule's decision and the account's columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np

from alerts.costs import costs
from alerts.machine import Code, Level
from alerts.model import Alert, Evidence, Phase, Reason, alert_id
from alerts.rules.base import EMPTY, FactRule, LevelRule, Tick
from scoring.bands import velocity_of
from scoring.evaluate import Scorer
from scoring.facts import Facts
from scoring.layout import ENDED, HISTORY_DAYS, MISSING, MONTHS, TIERS
from scoring.record import attributes, band_name
from scoring.state import Store
from scoring.tail import FactState
from scoring.times import DAY, UNSET, month_of

SPARK_DAYS: Final = 30
"""Days of daily scores that travel with an alert."""
_SHOWN: Final = [
    "tick", "term", "score", "coverage", "band", "previous_band", "band_since", "flags", "tier", "seats",
]  # fmt: skip
_BATCH: Final = 1024
Asked = tuple[int, str]
"""A row and the name of a rule."""


class Composer:
    """Writes alerts about accounts scored by one model."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def level(
        self, store: Store, row: int, rule: LevelRule, level: Level, reason: Reason, evidence: list[Evidence]
    ) -> Alert:  # fmt: skip
        """What a level rule says now: firing, or resolved if the level is inactive again."""
        fires = level.phase in (Code.FIRING, Code.NO_DATA)
        phase = Phase.FIRING if fires else Phase.RESOLVED
        told = (str(level.episode), level.revision, level.told, level.told)
        return self._alert(store, row, rule, phase, reason, told, evidence)

    def evidence(self, store: Store, asked: Sequence[tuple[int, LevelRule]]) -> dict[Asked, list[Evidence]]:
        """Why rules hold for accounts, as of the last tick of each: hundreds are evaluated at the price of one."""
        by_tick: dict[int, list[tuple[int, LevelRule]]] = defaultdict(list)
        for row, rule in asked:
            by_tick[int(store.hot["tick"][row])].append((row, rule))
        out: dict[Asked, list[Evidence]] = {}
        for now, members in by_tick.items():
            for start in range(0, len(members), _BATCH):
                some = members[start : start + _BATCH]
                rows = np.unique([row for row, _ in some])
                facts = Facts(store, rows, now)
                tick = Tick(store, rows, facts, self._scorer.evaluate(facts), {})
                place = {row: i for i, row in enumerate(tick.row_numbers)}
                out |= {(row, rule.name): rule.evidence(tick, place[row]) for row, rule in some}
        return out

    def fact(
        self, store: Store, row: int, rule: FactRule, item: str, state: FactState, reason: Reason
    ) -> Alert:  # fmt: skip
        """What a fact rule says of an item: firing as of its event, resolved as of the tick it was over."""
        if state.firing:
            told = (item, 0, state.at, state.tick)
            return self._alert(store, row, rule, Phase.FIRING, reason, told, rule.evidence(store, row, item))
        told = (item, 0, state.tick, state.tick)
        return self._alert(store, row, rule, Phase.RESOLVED, reason, told, [])

    def _alert(
        self, store: Store, row: int, rule: LevelRule | FactRule, phase: Phase, reason: Reason,
        told: tuple[str, int, int, int], evidence: list[Evidence],
    ) -> Alert:  # fmt: skip
        """`told`: episode, revision, event time of the transition, last tick when it was made."""
        name, history = store.name(row), store.hot["history"][row].tolist()
        episode, revision, at, tick = told
        now, term, score, coverage, band, previous, since, flags, tier, seats = store.hot[_SHOWN][row].item()
        now = max(now, 0)
        tier = self._scorer.tier_of(tier, store.hot["mrr"].item(row, month_of(now) % MONTHS), seats)
        return Alert(
            id=alert_id(name, rule.name, term, episode),
            phase=phase,
            revision=revision,
            rule=rule.name,
            kind=rule.kind,
            severity=rule.severity,
            reason=reason,
            account_id=name,
            term=term,
            episode=episode,
            at=at,
            tick=tick,
            score=None if score == MISSING else score,
            band=band_name(band, ended=bool(flags & ENDED)),
            previous_band=None if since == UNSET else band_name(previous),
            coverage=coverage,
            velocity_7d=velocity_of(score, history, now, 7),
            velocity_28d=velocity_of(score, history, now, 28),
            evidence=evidence,
            drivers=costs(store, row, self._scorer.weights[:, tier].tolist())
            if phase is Phase.FIRING
            else [],
            history=_history(history, now // DAY),
            play=rule.play,
            attributes={"tier": TIERS[tier], **attributes(store.tails.get(row, EMPTY))},
            model=self._scorer.hash,
        )


def _history(daily: Sequence[int], today: int) -> list[int | None]:
    first = (today - SPARK_DAYS + 1) % HISTORY_DAYS
    scores = (*daily[first:], *daily[:first])[:SPARK_DAYS]
    return [None if score == MISSING else score for score in scores]
