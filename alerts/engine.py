"""From scored accounts to alerts: level rules at ticks, facts at the flush, republication on takeover.

State lives in the account's tail (`levels`, `facts`), so it is written, fenced and recovered with the
account. The bits of the `alerts` column only say where to look.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from alerts.machine import Code, Decision, Level, decide
from alerts.model import Alert, Evidence, Kind, Phase, Reason, Severity, alert_id
from alerts.rules.band_entered import BandEntered
from alerts.rules.base import LevelRule, Tick
from alerts.rules.complaint import Complaint
from scoring.bands import velocity
from scoring.evaluate import Scorer
from scoring.facts import Facts
from scoring.layout import ENDED, MISSING
from scoring.record import attributes, band_name
from scoring.state import ROW, Store
from scoring.tail import FactState, LevelState, Tail
from scoring.times import HOUR, UNSET, Int64

LEVELS: Final = 1
"""Bit: some level rule is not inactive."""
FACTS: Final = 2
"""Bit: some fact is remembered."""
_RECENT: Final = HOUR
_EMPTY = Tail()


class AlertEngine:
    """The rules that the model of a scorer switches on."""

    def __init__(self, scorer: Scorer) -> None:
        model = scorer.model
        self._scorer = scorer
        self._hash = model.hash
        self.levels: list[LevelRule] = []
        if model.rules.band_entered is not None:
            self.levels.append(BandEntered(model.rules.band_entered, model.ceilings))
        self.complaint = None if model.rules.complaint is None else Complaint(model.rules.complaint)

    # -- levels ---------------------------------------------------------------------------------------------------

    def at_tick(self, tick: Tick) -> list[Alert]:
        """One step of every level rule for the accounts of a tick, and facts that are over."""
        out: list[Alert] = []
        bits = tick.store.hot["alerts"][tick.rows]
        for rule in self.levels:
            holds, known = rule.verdict(tick)
            for i in np.flatnonzero(holds | (bits & np.uint64(LEVELS) != 0)).tolist():
                out += self._step(rule, tick, i, bool(holds[i]) if known[i] else None)
        for i in np.flatnonzero(bits & np.uint64(FACTS)).tolist():
            out += self._finish_facts(tick.store, int(tick.rows[i]), tick.facts.now)
        return out

    def _step(self, rule: LevelRule, tick: Tick, i: int, condition: bool | None) -> list[Alert]:
        row, now = int(tick.rows[i]), tick.facts.now
        level = _level(tick.store.tails.get(row, _EMPTY), rule.name)
        decision = decide(level, condition, now, rule.hold_ms)
        if decision.level == level:
            return []
        self._keep(tick.store, row, rule.name, decision)
        if decision.publish is None:
            return []
        evidence = rule.evidence(tick, i) if decision.publish is Phase.FIRING else []
        return [self._level_alert(tick.store, row, rule, decision, now, evidence)]

    def _keep(self, store: Store, row: int, rule: str, decision: Decision) -> None:
        tail = store.tail(row)
        tail.levels[rule] = LevelState(decision.level.phase, decision.level.since, decision.level.episode)
        active = any(state.phase != Code.INACTIVE for state in tail.levels.values())
        store.hot["alerts"][row] = int(store.hot["alerts"][row]) & ~LEVELS | (LEVELS if active else 0)
        store.mark[row] |= ROW

    def ended(self, store: Store, row: int, now: int) -> list[Alert]:
        """The account ended: everything that fires resolves."""
        out = []
        for rule in self.levels:
            decision = decide(
                _level(store.tails.get(row, _EMPTY), rule.name), None, now, rule.hold_ms, ended=True
            )
            if decision.reason is not Reason.UNCHANGED:
                self._keep(store, row, rule.name, decision)
            if decision.publish is not None:
                out.append(self._level_alert(store, row, rule, decision, now, []))
        return out + self._finish_facts(store, row, now, ended=True)

    def _level_alert(
        self, store: Store, row: int, rule: LevelRule, decision: Decision, now: int, evidence: list[Evidence]
    ) -> Alert:
        episode = str(decision.level.episode)
        phase = decision.publish or Phase.FIRING
        return self._alert(store, row, rule, phase, decision.reason, episode, now, now, evidence)

    # -- facts ----------------------------------------------------------------------------------------------------

    def new_facts(self, store: Store, tick: int) -> list[Alert]:
        """Alerts about what folding found out since the last call; `tick` is the last one."""
        news, store.news = store.news, []
        rule = self.complaint
        if rule is None:
            return []
        out = []
        for _, row, item, at in news:
            if store.hot["flags"][row] & ENDED:
                continue
            tail = store.tail(row)
            tail.facts.setdefault(rule.name, {})[item] = FactState(at, tick, True)
            store.hot["alerts"][row] |= np.uint64(FACTS)
            out.append(self._fact_alert(store, row, rule, Phase.FIRING, Reason.FACT, item, at, tick))
        return out

    def _finish_facts(self, store: Store, row: int, now: int, *, ended: bool = False) -> list[Alert]:
        rule = self.complaint
        if rule is None or rule.name not in store.tails.get(row, _EMPTY).facts:
            return []
        out = []
        tail = store.tails[row]
        for item, state in sorted(tail.facts[rule.name].items()):
            if state.firing and (ended or rule.over(tail, item)):
                state.firing = False
                store.tail(row)
                store.mark[row] |= ROW
                reason = Reason.ACCOUNT_ENDED if ended else Reason.CONDITION_CLEARED
                out.append(self._fact_alert(store, row, rule, Phase.RESOLVED, reason, item, now, now))
            if item not in tail.tickets and not state.firing:
                del store.tail(row).facts[rule.name][item]
        return out

    def _fact_alert(
        self,
        store: Store,
        row: int,
        rule: Complaint,
        phase: Phase,
        reason: Reason,
        item: str,
        at: int,
        tick: int,
    ) -> Alert:
        evidence = rule.evidence(store.tails[row], item) if phase is Phase.FIRING else []
        return self._alert(store, row, rule, phase, reason, item, at, tick, evidence)

    # -- takeover -------------------------------------------------------------------------------------------------

    def takeover(self, store: Store, now: int) -> list[Alert]:
        """What fires or changed within the last hour of stream time, again: it may not have reached the topic."""
        out = []
        for row, tail in store.tails.items():
            for rule in self.levels:
                level = _level(tail, rule.name)
                if level.phase in (Code.FIRING, Code.NO_DATA) or (
                    level.episode and now - level.since <= _RECENT
                ):
                    phase = Phase.RESOLVED if level.phase in (Code.INACTIVE, Code.PENDING) else Phase.FIRING
                    evidence = self._evidence(store, row, rule) if phase is Phase.FIRING else []
                    # `tick` stays that of the transition: an old alert is a cold start, not news.
                    args = (str(level.episode), level.since, level.since, evidence)
                    out.append(self._alert(store, row, rule, phase, Reason.TAKEOVER, *args))
            if self.complaint is not None:
                for item, fact in tail.facts.get(self.complaint.name, {}).items():
                    if fact.firing or now - fact.tick <= _RECENT:
                        phase = Phase.FIRING if fact.firing else Phase.RESOLVED
                        out.append(
                            self._fact_alert(
                                store, row, self.complaint, phase, Reason.TAKEOVER, item, fact.at, fact.tick
                            )
                        )
        return out

    def _evidence(self, store: Store, row: int, rule: LevelRule) -> list[Evidence]:
        rows = np.array([row])
        facts = Facts(store, rows, int(store.hot["tick"][row]))
        return rule.evidence(Tick(store, rows, facts, self._scorer.evaluate(facts)), 0)

    def _alert(
        self,
        store: Store,
        row: int,
        rule: LevelRule | Complaint,
        phase: Phase,
        reason: Reason,
        episode: str,
        at: int,
        tick: int,
        evidence: list[Evidence],
    ) -> Alert:
        hot, name = store.hot[row], store.names[row]
        one: Int64 = np.array([row])
        score = hot["score"].astype(np.int64).reshape(1)
        now = max(int(hot["tick"]), 0)
        return Alert(
            id=alert_id(name, rule.name, int(hot["term"]), episode),
            phase=phase,
            rule=rule.name,
            kind=Kind(rule.kind),
            severity=Severity(rule.severity),
            reason=reason,
            account_id=name,
            term=int(hot["term"]),
            episode=episode,
            at=at,
            tick=tick,
            score=None if score[0] == MISSING else int(score[0]),
            band=band_name(int(hot["band"]), ended=bool(hot["flags"] & ENDED)),
            previous_band=None if hot["band_since"] == UNSET else band_name(int(hot["previous_band"])),
            coverage=int(hot["coverage"]),
            velocity_7d=velocity(store, one, now, score, 7)[0],
            velocity_28d=velocity(store, one, now, score, 28)[0],
            evidence=evidence,
            play=rule.play,
            attributes=attributes(store.tails.get(row, _EMPTY)),
            model=self._hash,
        )


def _level(tail: Tail, rule: str) -> Level:
    state = tail.levels.get(rule)
    return Level() if state is None else Level(Code(state.phase), state.since, state.episode)
