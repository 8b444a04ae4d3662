"""Why one account has its score: its history through the worker's own pipeline, seen at every tick.

Only the account's own lines are replayed: accounts do not influence each other, so the answer is that of a
whole replay. (The exception: a line more than an hour out of order may count from an earlier tick.)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from alerts.machine import Code
from scoring.bands import ceiling_facts, ceilings
from scoring.drivers import Driver
from scoring.evaluate import Evaluation
from scoring.facts import Facts
from scoring.layout import BANDS, DIMENSIONS, MISSING
from scoring.model import Model
from scoring.record import ScoreRecord, decode_score
from scoring.recorder import Recorder
from scoring.state import Store
from scoring.tail import Tail
from scoring.times import DAY, UNSET, iso
from streams.context import make_context
from streams.publication import THRESHOLD, publish
from streams.replay import DeadLine, FileLine, Replay, classify
from streams.ticking import TickLine

INVOICE_STATUS: Final = ("issued", "payment_failed", "overdue", "disputed")
PRIORITY: Final = ("low", "normal", "high", "urgent")
LOOK_BACK_DAYS: Final = (7, 28)


class SignalScore(Struct, frozen=True):
    """One signal: points and weight within its dimension; `score` None without evidence."""

    score: float | None
    weight: int


class DimensionDetail(Struct, frozen=True):
    """One dimension of the tier; `score` None without evidence. Points; `weight` is that of the tier."""

    score: float | None
    weight: int
    contribution: float
    signals: dict[str, SignalScore]
    why_missing: str | None = None


class Change(Struct, frozen=True):
    """The change of the score over some days, in points, and what each dimension added to it."""

    days: int
    points: float
    dimensions: dict[str, float]


class Move(Struct, frozen=True):
    """The last time the score was published because it moved, and the parts (thousandths of a point)."""

    at: str
    score: float | None
    drivers: list[Driver]


class Explanation(Struct, frozen=True):
    """Everything that explains one account at `record.as_of`."""

    record: ScoreRecord
    band_reasons: list[str]
    dimensions: dict[str, DimensionDetail]
    changes: list[Change]
    last_move: Move | None
    open_tickets: list[str]
    open_invoices: list[str]
    alerts: list[str]


class UnknownAccountError(LookupError):
    """No line names this account; `matches` are the closest that exist."""

    def __init__(self, account_id: str, matches: Sequence[str]) -> None:
        super().__init__(f"no event of account {account_id!r}")
        self.matches = list(matches)


def explain(
    account_id: str,
    lines: Iterable[FileLine],
    model: Model,
    *,
    tick_ms: int,
    grace_ms: int,
    now: int,
    until: int | None,
) -> tuple[Explanation, list[DeadLine]]:
    """The explanation as of the last tick up to `until`, and rejected lines; times in milliseconds.

    `until` None: as far as the events of all accounts reach.

    Raises UnknownAccountError if there is nothing to explain; OSError of a file.
    """
    own = _Own(account_id, now)
    kept = list(own.lines(lines))
    if until is None and own.newest != UNSET:
        until = -(-own.newest // tick_ms) * tick_ms
    log = _Log()
    context = make_context(model, tick_ms=tick_ms, grace_ms=grace_ms, tick_log=log.at_tick)
    replay = Replay(context, now)
    log.attach(replay.partition.store, context.recorder)
    replay.run(kept, until)
    store = replay.partition.store
    if not store.n or store.hot["first_ts"][0] == UNSET or replay.partition.as_of == UNSET:
        raise UnknownAccountError(
            account_id, difflib.get_close_matches(account_id, sorted(own.others), 5, 0.5)
        )
    return _explanation(store, context.recorder, replay.partition.as_of, log), replay.dead


class _Own:
    """Keeps the lines of one account, and what else is worth knowing of the others."""

    def __init__(self, account_id: str, now: int) -> None:
        self._key = account_id.encode()
        self._now = now
        self.others: set[str] = set()
        self.newest = UNSET

    def lines(self, lines: Iterable[FileLine]) -> Iterator[FileLine]:
        for line in lines:
            ts, _, key = classify(line.text)
            if ts <= self._now:
                self.newest = max(self.newest, ts)
            if key == self._key:
                yield line
            elif key:
                self.others.add(key.decode())


class _Log:
    """Publishes after every tick as the worker does, and keeps the newest record of each day."""

    def __init__(self) -> None:
        self.days: dict[int, dict[str, float]] = {}
        """Day to the contributions at its first tick: what velocity compares with."""
        self.last_move: Move | None = None
        self._store = Store(1)
        self._recorder: Recorder | None = None

    def attach(self, store: Store, recorder: Recorder) -> None:
        self._store, self._recorder = store, recorder

    def at_tick(self, lines: Sequence[TickLine]) -> None:
        if not lines or self._recorder is None:
            return
        tick = int(self._store.hot["tick"][0])
        hot = self._store.hot[0]
        if hot["score"] != MISSING:
            parts = zip(DIMENSIONS, hot["contribution"].tolist(), strict=True)
            self.days.setdefault(tick // DAY, {name: part / 1000 for name, part in parts if part != MISSING})
        if self._is_due(tick):
            for _, value in publish(self._store, np.array([0]), self._recorder, tick):
                self._keep(decode_score(value))

    def _is_due(self, tick: int) -> bool:
        """Whether the worker would publish: looked at here first, as this is asked at every tick."""
        hot = self._store.hot[0]
        moved = abs(int(hot["score"]) - int(hot["pub_score"])) >= THRESHOLD
        changed = hot["band"] != hot["pub_band"] or hot["coverage"] != hot["pub_coverage"]
        return bool(moved or changed or hot["pub_day"] < tick // DAY)

    def _keep(self, record: ScoreRecord) -> None:
        points = sum(driver.points for driver in record.drivers)
        if record.drivers and (self.last_move is None or abs(points) >= THRESHOLD):
            self.last_move = Move(record.as_of, record.score, record.drivers)


def _explanation(store: Store, recorder: Recorder, as_of: int, log: _Log) -> Explanation:
    rows = np.array([0])
    f = Facts(store, rows, int(store.hot["tick"][0]))
    e = recorder.scorer.evaluate(f)
    record = decode_score(recorder.records(store, rows, rows, f, e)[0][1])
    tail = store.tails.get(0, Tail())
    return Explanation(
        record=record,
        band_reasons=[] if record.ended else list(_band_reasons(store, f, e, recorder.scorer.model)),
        dimensions={} if record.ended else _dimensions(f, e, recorder.scorer.model),
        changes=[] if record.score is None else list(_changes(log, record, as_of)),
        last_move=log.last_move,
        open_tickets=list(_tickets(tail, f.now)),
        open_invoices=list(_invoices(tail, f.now)),
        alerts=list(_alerts(tail)),
    )


def _band_reasons(store: Store, f: Facts, e: Evaluation, model: Model) -> Iterator[str]:
    hot, b, now = store.hot[0], model.bands, f.now
    score, band = int(e.score[0]), BANDS[int(hot["band"])]
    if e.coverage[0] < model.minimum_coverage:
        least = model.minimum_coverage / 10
        yield f"coverage {e.coverage[0] / 10:.0f} % is below the minimum of {least:.0f} %"
    elif band == "red" and b.red <= score < b.red_exit:
        yield f"hysteresis: red was entered below {b.red / 1000:g} and is left at {b.red_exit / 1000:g}"
    elif band == "green" and b.green_exit <= score < b.green:
        yield f"hysteresis: green was entered at {b.green / 1000:g} and is left below {b.green_exit / 1000:g}"
    ceiling = int(ceilings(f, model)[0])
    if ceiling < len(BANDS):
        yield f"ceiling {BANDS[ceiling]}: {', '.join(ceiling_facts(hot, now, model.ceilings))}"
    if hot["pending_band"] != MISSING:
        pending, since, due = BANDS[int(hot["pending_band"])], int(hot["pending_since"]), int(hot["due"])
        yield f"{pending} is pending since {iso(since)} and would take effect at {iso(due)}"
    if now == hot["band_since"]:
        yield "the band changed at this tick"


def _dimensions(f: Facts, e: Evaluation, model: Model) -> dict[str, DimensionDetail]:
    out = {}
    for slot, name in enumerate(DIMENSIONS):
        spec = model.dimensions.get(name)
        if spec is None or not e.weight[slot, 0]:
            continue
        sub = int(e.sub[slot, 0])
        raw = {s: int(e.signals[s][0]) for s in spec.signals}
        signals = {
            s: SignalScore(None if raw[s] == MISSING else raw[s] / 1000, o.weight)
            for s, o in spec.signals.items()
        }
        out[name] = DimensionDetail(
            score=None if sub == MISSING else sub / 1000,
            weight=int(e.weight[slot, 0]),
            contribution=int(e.contribution[slot, 0]) / 1000,
            signals=signals,
            why_missing=_why_missing(name, f) if sub == MISSING else None,
        )
    return out


_NEVER: Final = {
    "product_usage": (0, "usage"),
    "support": (1, "ticket"),
    "invoice_history": (2, "invoice"),
    "sentiment": (3, "survey"),
}


def _why_missing(dimension: str, f: Facts) -> str:
    if dimension in _NEVER:
        code, what = _NEVER[dimension]
        last = int(f.hot["last_seen"][0][code])
        return (
            f"no {what} event yet"
            if last == UNSET
            else f"none that still counts; last {what} event {iso(last)}"
        )
    return "no MRR known" if dimension == "contract_growth" else "no event said whether value was reached"


def _changes(log: _Log, record: ScoreRecord, as_of: int) -> Iterator[Change]:
    now = {name: d.contribution for name, d in record.dimensions.items()}
    for days in LOOK_BACK_DAYS:
        then = log.days.get(as_of // DAY - days)
        if then is None:
            continue
        moved = {
            name: round(now.get(name, 0.0) - then.get(name, 0.0), 3) for name in now.keys() | then.keys()
        }
        ordered = dict(sorted(((n, p) for n, p in moved.items() if p), key=lambda item: -abs(item[1])))
        yield Change(days, round(sum(now.values()) - sum(then.values()), 3), ordered)


def _tickets(tail: Tail, now: int) -> Iterator[str]:
    for ticket, t in sorted(tail.tickets.items(), key=lambda item: item[1].opened):
        if t.is_open:
            since = t.opened if t.opened != UNSET else t.state_ts
            words = [f"{ticket}: open for {(now - since) / DAY:.1f} days"]
            words += [PRIORITY[t.priority]] if t.priority != MISSING else []
            words += ["escalated"] if t.escalated else []
            words += ["a complaint"] if t.complaint != UNSET else []
            yield ", ".join(words)


def _invoices(tail: Tail, now: int) -> Iterator[str]:
    for invoice, i in sorted(tail.invoices.items(), key=lambda item: item[1].due_time()):
        if i.is_open:
            due, words = i.due_time(), [f"{invoice}: {INVOICE_STATUS[i.status].replace('_', ' ')}"]
            if due != UNSET:
                late = (now - due) / DAY
                words.append(f"{late:.0f} days overdue" if late > 0 else f"due in {-late:.0f} days")
            yield ", ".join(words)


def _alerts(tail: Tail) -> Iterator[str]:
    for rule, level in sorted(tail.levels.items()):
        if level.phase != Code.INACTIVE:
            yield f"{rule}: {Code(level.phase).name.lower()} since {iso(level.since)}"
    for rule, items in sorted(tail.facts.items()):
        for item, fact in sorted(items.items()):
            if fact.firing:
                yield f"{rule}: {item}, since {iso(fact.at)}"
