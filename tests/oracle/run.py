"""The reference itself: one partition's log, tick by tick."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from scoring.events import SOURCES
from tests.oracle.account import KEPT_DAYS, OF_A_TERM, AccountRow, forget, new_term
from tests.oracle.alerting import AlertLine, shown_band, urgency
from tests.oracle.bands import Model, due_time, end, evaluate
from tests.oracle.clock import next_full_hour, schedule
from tests.oracle.conditions import Situation
from tests.oracle.exporting import exported
from tests.oracle.facts import Facts, Totals
from tests.oracle.folding import apply
from tests.oracle.instants import HOUR, ceil_tick, day
from tests.oracle.items import new_facts, settled_facts
from tests.oracle.levels import level_rules, levels
from tests.oracle.reading import BelongsHere, Event, LogRecord, RejectedError, read
from tests.oracle.renewals import renewals


@dataclass(frozen=True)
class TickLine:
    """What one tick said of one account; milli-points, None = missing."""

    account_id: str
    as_of: int
    score: int | None
    band: str
    coverage: int
    dimensions: dict[str, int | None]


@dataclass
class Outcome:
    """Everything the rules say about a log."""

    fates: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Events by source index and fate."""
    dead: Counter[str] = field(default_factory=Counter)
    """Rejected records by reason."""
    ticks: list[TickLine] = field(default_factory=list)
    alerts: list[AlertLine] = field(default_factory=list)
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Final state of every account of which anything was ever applied."""
    last_tick: int | None = None


def run(
    records: Sequence[LogRecord],
    *,
    model: Model,
    tick: int,
    grace: int,
    until: int | None = None,
    partition: BelongsHere | None = None,
) -> Outcome:
    """Tell a log of one partition to its end.

    Args:
        records: in any order between sources; offsets say the order within one.
        model: the model file as plain values.
        tick: grid of the clock in ms; divides an hour or is whole hours.
        grace: ms.
        until: last tick to run, ms; else the last tick an event counts from.
        partition: whether a key belongs to this partition; None accepts every key.
    """
    reference = _Reference(model)
    events = list(reference.accepted(records, partition))
    ticks = schedule(events, tick, grace)
    if ticks:
        reference.tell(ticks, tick, max(ticks) if until is None else until)
    return reference.out


class _Reference:
    def __init__(self, model: Model) -> None:
        self.model = model
        self.levels = level_rules(model["rules"])
        self.out = Outcome()
        self.rows: dict[str, AccountRow] = {}
        self.known: dict[str, tuple[int, Facts]] = {}
        self.newest: dict[int, int] = {}
        """The largest event time that each feed has told so far."""
        self.today = -1

    def accepted(self, records: Sequence[LogRecord], partition: BelongsHere | None) -> Iterator[Event]:
        """The valid events; the others are counted as dead."""
        for record in records:
            try:
                yield read(record, partition)
            except RejectedError as reason:
                self.out.dead[str(reason)] += 1

    def tell(self, ticks: dict[int, list[Event]], tick: int, last: int) -> None:
        """Run every tick that evaluates somebody."""
        pending = sorted(ticks, reverse=True)
        now = pending[-1]
        while now <= last:
            self.step(now, ticks.get(now, []))
            while pending and pending[-1] <= now:
                pending.pop()
            dues = [ceil_tick(due, tick) for row in self.rows.values() if (due := self.due(row)) is not None]
            now = min([next_full_hour(now, tick), *pending[-1:], *dues])
        for account_id, row in sorted(self.rows.items()):
            if row.exists and self.out.last_tick is not None:
                self.out.accounts[account_id] = exported(row, self.facts(row), self.out.last_tick)

    def step(self, now: int, events: list[Event]) -> None:
        """One tick: forget what a new day lets go, fold the tick's events, evaluate."""
        self.out.last_tick = now
        new_day, self.today = day(now) > self.today, day(now)
        of_account: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            self.newest[event.source] = max(self.newest.get(event.source, event.time), event.time)
            of_account[event.account_id].append(event)
        touched = {account_id for account_id, own in of_account.items() if self.fold(account_id, own)}
        if new_day:
            for row in self.rows.values():
                forget(row, self.today)
        rules = self.model["rules"]
        alerts = [line for name in sorted(touched) for line in new_facts(self.rows[name], rules)]
        for account_id, row in sorted(self.rows.items()):
            due = self.due(row)
            if row.exists and (now % HOUR == 0 or account_id in touched or (due is not None and due <= now)):
                alerts.extend(self.evaluate(row, now))
        self.out.alerts.extend(line | urgency(line["rule"], rules) for line in alerts)

    def fold(self, account_id: str, events: list[Event]) -> bool:
        """Fold the events of one account at one tick; whether any was applied."""
        row = self.rows.setdefault(account_id, AccountRow(account_id))
        held, fates = [], Counter[str]()
        for event in events:
            fate = self.fate(row, event)
            if fate is None and row.was_ended and event.kind in OF_A_TERM:
                held.append(event)
                continue
            fate = fate or _applied(row, event)
            fates[fate] += 1
            self.out.fates[event.source, fate] += 1
        if row.was_ended:
            row.term.news.clear()
        returned = row.was_ended and not row.is_ended
        if returned:
            new_term(row)
        for event in held:
            stays = returned and row.started_ts is not None and event.time >= row.started_ts
            fate = _applied(row, event) if stays else "applied"
            fates[fate] += 1
            self.out.fates[event.source, fate] += 1
        return fates["applied"] > 0

    def fate(self, row: AccountRow, event: Event) -> str | None:
        """`replayed`, `late`, or None if the event is to be folded; the fence moves."""
        if (event.source, event.offset) in row.folded:
            return "replayed"
        row.folded.add((event.source, event.offset))
        row.fence[event.source] = max(row.fence.get(event.source, event.offset), event.offset)
        if event.kind in OF_A_TERM and day(event.time) <= self.today - KEPT_DAYS:
            return "late"
        return None

    def due(self, row: AccountRow) -> int | None:
        """When a pending band of the account takes effect."""
        return due_time(row.term.standing, self.model)

    def facts(self, row: AccountRow) -> Facts:
        """The sums of an account, remembered until an event or a new day changes them."""
        known = self.known.get(row.account_id)
        if known is None or known[0] != row.version:
            self.known[row.account_id] = known = (row.version, Facts(row, Totals(row), self.today))
        elif known[1].today != self.today:
            self.known[row.account_id] = known = (row.version, Facts(row, known[1].totals, self.today))
        return known[1]

    def evaluate(self, row: AccountRow, now: int) -> Iterator[AlertLine]:
        """Score an account at a tick, write its line, decide about alerts."""
        row.was_ended, row.as_of = row.is_ended, now
        standing = row.term.standing
        if row.was_ended:
            end(standing, now, self.model)
        else:
            evaluate(row, self.facts(row), now, self.model)
        said = (standing.score, shown_band(row), standing.coverage, dict(standing.dimensions))
        self.out.ticks.append(TickLine(row.account_id, now, *said))
        situation = Situation(row, self.facts(row), now, self.live(now))
        yield from levels(situation, self.levels)
        yield from settled_facts(row, now)
        yield from renewals(row, now, self.model["rules"])

    def live(self, now: int) -> frozenset[str]:
        """The feeds that told something not too long ago."""
        oldest = now - self.model["liveness_hours"] * HOUR
        return frozenset(SOURCES[source] for source, newest in self.newest.items() if newest >= oldest)


def _applied(row: AccountRow, event: Event) -> str:
    return "applied" if apply(row, event) else "duplicate"
