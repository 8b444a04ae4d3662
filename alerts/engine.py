"""From scored accounts to alerts: level rules at ticks, facts at the flush, republication on takeover.

State lives in the account's tail (`levels`, `facts`), so it is written, fenced and recovered with the
account. The bits of the `alerts` column only say where to look, and are told again at a takeover.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alerts.composing import Composer
from alerts.machine import Code, Decision, Level, decide
from alerts.model import Alert, Phase, Reason
from alerts.rules.base import EMPTY, FactRule, LevelRule, Tick, Verdict
from alerts.rules.catalogue import fact_rules, level_rules, tick_fact_rules
from scoring.evaluate import Scorer
from scoring.layout import ENDED
from scoring.state import ROW, Store
from scoring.tail import FactState, LevelState, Tail
from scoring.tails import ALERTS
from scoring.times import HOUR

FACTS: Final = 1
"""Bit of the `alerts` column: some fact is remembered. Every level rule has one of the others: it is not inactive."""
_RECENT: Final = HOUR
_ACCOUNTS: Final = 128
"""Whose alerts are looked for in one piece at a takeover: 5 to 11 ms."""
_AT_ONCE: Final = 32
"""Alerts that are composed in one piece at a takeover: some 2 ms, three times as long on a busy machine."""


class AlertEngine:
    """The rules that the model of a scorer switches on."""

    def __init__(self, scorer: Scorer) -> None:
        self._composer = Composer(scorer)
        self.levels = level_rules(scorer.model)
        self._bits = {rule.name: np.uint64(FACTS << place) for place, rule in enumerate(self.levels, 1)}
        self._tick_facts = tick_fact_rules(scorer.model)
        self.facts: dict[str, FactRule] = {r.name: r for r in (*fact_rules(scorer.model), *self._tick_facts)}

    # -- levels ---------------------------------------------------------------------------------------------------

    def at_tick(self, tick: Tick) -> list[Alert]:
        """One step of every level rule for the accounts of a tick, facts that are over, facts of the clock."""
        out: list[Alert] = []
        active = tick.store.hot["alerts"][tick.rows]
        calm = self._calm(tick)
        somewhere = np.bitwise_or.reduce(active)
        for rule in self.levels:
            verdict, bit = rule.verdict(tick), self._bits[rule.name]
            look = verdict.holds
            if somewhere & bit:
                look = (look | (active & bit != 0)) & ~(verdict.stays & (calm & bit != 0))
            for i in np.flatnonzero(look).tolist():
                out += self._step(rule, tick, i, verdict)
        for i in np.flatnonzero(active & np.uint64(FACTS)).tolist():
            out += self._finish_facts(tick.store, int(tick.rows[i]), tick.facts.now)
        for tick_rule in self._tick_facts:
            for i, item in tick_rule.items(tick):
                out += self._tell_once(tick, i, tick_rule, item)
        return out

    def _calm(self, tick: Tick) -> NDArray[np.uint64]:
        """Which alerts of each account fire and were told with the band of now: while they hold, nothing is new."""
        store, rows = tick.store, tick.rows
        moved = rows[store.calm_band[rows] != tick.band]
        store.calm[moved] = 0
        store.calm_band[rows] = tick.band
        return store.calm[rows]

    def _step(self, rule: LevelRule, tick: Tick, i: int, verdict: Verdict) -> list[Alert]:
        row, band = tick.row_numbers[i], tick.bands[i]
        state = tick.store.tails.get(row, EMPTY).levels.get(rule.name)
        fires = state is not None and state.phase in (Code.FIRING, Code.NO_DATA)
        condition = verdict.of(i, fires=fires)
        if state is not None and state.phase == Code.FIRING and condition and state.band == band:
            tick.store.calm[row] |= self._bits[rule.name]
            return []
        level = _level(state)
        decision = decide(level, condition, tick.facts.now, rule.hold_ms, band=band)
        if decision.level == level:
            return []
        self._keep(tick.store, row, rule.name, decision)
        if decision.publish is None:
            return []
        evidence = rule.evidence(tick, i) if decision.publish is Phase.FIRING else []
        return [self._composer.level(tick.store, row, rule, decision.level, decision.reason, evidence)]

    def _keep(self, store: Store, row: int, rule: str, decision: Decision) -> None:
        store.tail(row).levels[rule] = LevelState(*decision.level)
        store.calm[row] &= ~self._bits[rule]
        if decision.level.phase == Code.INACTIVE:
            store.hot["alerts"][row] &= ~self._bits[rule]
        else:
            store.hot["alerts"][row] |= self._bits[rule]
        store.mark[row] |= ROW

    def ended(self, store: Store, row: int, now: int) -> list[Alert]:
        """The account ended: everything that fires resolves."""
        out = []
        for rule in self.levels:
            level = _level(store.tails.get(row, EMPTY).levels.get(rule.name))
            decision = decide(level, None, now, 0, ended=True)
            if decision.reason is not Reason.UNCHANGED:
                self._keep(store, row, rule.name, decision)
            if decision.publish is not None:
                out.append(self._composer.level(store, row, rule, decision.level, decision.reason, []))
        return out + self._finish_facts(store, row, now, ended=True)

    # -- facts ----------------------------------------------------------------------------------------------------

    def new_facts(self, store: Store, tick: int) -> list[Alert]:
        """Alerts about what folding found out since the last call; `tick` is the last one."""
        news, store.news = store.news, []
        out = []
        for told in news:
            rule = self.facts.get(told.fact)
            if rule is None or store.hot["flags"][told.row] & ENDED or not rule.fires(store, told):
                continue
            if told.item in store.tails.get(told.row, EMPTY).facts.get(told.fact, {}):
                continue
            state = FactState(told.at, tick, firing=True)
            out.append(self._remember(store, told.row, rule, told.item, state))
        return out

    def _tell_once(self, tick: Tick, i: int, rule: FactRule, item: str) -> list[Alert]:
        row, now = int(tick.rows[i]), tick.facts.now
        if item in tick.tail(i).facts.get(rule.name, {}):
            return []
        return [self._remember(tick.store, row, rule, item, FactState(now, now, firing=True))]

    def _remember(self, store: Store, row: int, rule: FactRule, item: str, state: FactState) -> Alert:
        store.tail(row).facts.setdefault(rule.name, {})[item] = state
        store.hot["alerts"][row] |= np.uint64(FACTS)
        store.mark[row] |= ROW
        return self._composer.fact(store, row, rule, item, state, Reason.FACT)

    def _finish_facts(self, store: Store, row: int, now: int, *, ended: bool = False) -> list[Alert]:
        out: list[Alert] = []
        tail = store.tails.get(row, EMPTY)
        for name, items in sorted(tail.facts.items()):
            rule = self.facts.get(name)
            for item, state in sorted(items.items()):
                if rule is not None and state.firing:
                    if ended or rule.over(store, row, item, state.at, now):
                        out.append(self._settle(store, row, rule, item, state, now, ended=ended))
                elif rule is None or (now - state.tick > _RECENT and rule.forgotten(store, row, item, now)):
                    del items[item]  # later than takeovers would tell of it
                    store.tail(row)
                    store.mark[row] |= ROW
            if not items:
                del tail.facts[name]
        if not tail.facts:
            store.hot["alerts"][row] &= ~np.uint64(FACTS)
        return out

    def _settle(
        self, store: Store, row: int, rule: FactRule, item: str, state: FactState, now: int, *, ended: bool
    ) -> Alert:  # fmt: skip
        state.firing, state.tick = False, now
        store.tail(row)
        store.mark[row] |= ROW
        reason = Reason.ACCOUNT_ENDED if ended else Reason.CONDITION_CLEARED
        return self._composer.fact(store, row, rule, item, state, reason)

    # -- takeover -------------------------------------------------------------------------------------------------

    def takeover(self, store: Store, now: int) -> Iterator[list[Alert]]:
        """What fires or changed within the last hour of stream time, again: it may not have reached the topic.

        Some alerts at a time. No tick may be run before the last ones were taken.
        """
        store.hot["alerts"][: store.n] = 0
        holding = store.tails.holding(ALERTS)
        while some := list(islice(holding, _ACCOUNTS)):
            yield from self._again(store, some, now)

    def _again(self, store: Store, accounts: Sequence[tuple[int, Tail]], now: int) -> Iterator[list[Alert]]:
        levels: list[tuple[int, LevelRule, Level]] = []
        facts: list[tuple[int, FactRule, str, FactState]] = []
        for row, tail in accounts:
            store.hot["alerts"][row] = self._active(tail)
            levels += self._levels_again(row, tail, now)
            facts += self._facts_again(row, tail, now)
        why = self._composer.evidence(store, [(row, rule) for row, rule, level in levels if _fires(level)])
        yield []
        alerts = chain(
            (
                self._composer.level(store, row, rule, level, Reason.TAKEOVER, why.get((row, rule.name), []))
                for row, rule, level in levels
            ),
            (self._composer.fact(store, *fact, Reason.TAKEOVER) for fact in facts),
        )
        while some := list(islice(alerts, _AT_ONCE)):
            yield some

    def _active(self, tail: Tail) -> np.uint64:
        """The bits of the `alerts` column."""
        bits = np.uint64(FACTS if tail.facts else 0)
        for name, level in tail.levels.items():
            if level.phase != Code.INACTIVE:
                bits |= self._bits.get(name, np.uint64(0))
        return bits

    def _levels_again(self, row: int, tail: Tail, now: int) -> Iterator[tuple[int, LevelRule, Level]]:
        for rule in self.levels:
            state = tail.levels.get(rule.name)
            if state is not None:
                level = _level(state)
                if _fires(level) or (level.episode and now - level.told <= _RECENT):
                    yield row, rule, level

    def _facts_again(self, row: int, tail: Tail, now: int) -> Iterator[tuple[int, FactRule, str, FactState]]:
        for name, items in tail.facts.items():
            rule = self.facts.get(name)
            for item, state in items.items():
                if rule is not None and (state.firing or now - state.tick <= _RECENT):
                    yield row, rule, item, state


def _fires(level: Level) -> bool:
    return level.phase in (Code.FIRING, Code.NO_DATA)


def _level(state: LevelState | None) -> Level:
    if state is None:
        return Level()
    return Level(Code(state.phase), state.since, state.episode, state.revision, state.band, state.told)
