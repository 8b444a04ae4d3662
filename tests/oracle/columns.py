"""The engine's state under the reference's names: every account as plain values, and what its record shows beside the score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from alerts.machine import Code
from scoring.bands import velocity
from scoring.evaluate import named
from scoring.events import SOURCES
from scoring.facts import Facts
from scoring.layout import (
    BANDS,
    CADENCES,
    COMMUNITY_TRACKED,
    CONTACTS_TRACKED,
    DIMENSIONS,
    ENDED,
    HELP_TRACKED,
    HISTORY_DAYS,
    MARKETING_TRACKED,
    MILESTONES_TRACKED,
    MISSING,
    RINGS,
    SEEN,
    SPONSORS_TRACKED,
    SURVEY_KINDS,
    VALUE_TRACKED,
    WEEK_SLOTS,
    WEEKS,
)
from scoring.record import ScoreRecord, decode_score
from scoring.state import Store
from scoring.tail import ContactState, LevelState, Tail
from scoring.times import DAY, UNSET, parse
from streams.pipeline import Partition

STATES = ("opened", "reopened", "closed")
STATUSES = ("issued", "payment_failed", "overdue", "disputed", "paid", "refunded", "voided")
ROLE_NAMES = ("user", "champion", "executive")
PRIORITIES = ("low", "normal", "high", "urgent")


def restored(partition: Partition, rows: Sequence[tuple[bytes, bytes | None]]) -> Partition:
    """An empty partition with these rows of the changelog, taken over; no clock, so no tick runs."""
    partition.restore(rows)
    partition.takeover()
    for _ in partition.advance(0, frozenset()):
        pass
    return partition


def accounts(partition: Partition) -> dict[str, dict[str, Any]]:
    """Every account of which something was applied, as plain named values."""
    store = partition.store
    return {
        store.name(row): _account(partition, row)
        for row in range(store.n)
        if store.hot["first_ts"][row] != UNSET or store.hot["term"][row]
    }


def shown(partition: Partition) -> dict[str, dict[str, Any]]:
    """What the score records of accounts that have not ended show beside the score, as of their last tick."""
    store, recorder = partition.store, partition.context.recorder
    told: dict[str, dict[str, Any]] = {}
    for row in range(store.n):
        rows = np.array([row])
        facts = Facts(store, rows, max(int(store.hot["tick"][row]), 0))
        [(_, value)] = recorder.records(store, rows, np.array([0]), facts, recorder.scorer.evaluate(facts))
        record = decode_score(value)
        if beside := _beside(record):
            told[record.account_id] = beside
    return told


def _beside(record: ScoreRecord) -> dict[str, Any]:
    override = None if record.ended else record.override
    times = {"deadline": record.deadline, "mrr_at_risk": record.mrr_at_risk, "urgency": record.urgency}
    told: dict[str, Any] = {name: value for name, value in times.items() if value is not None}
    if record.deadline is not None:
        told["deadline"] = parse(record.deadline)
    if record.urgency is not None:
        told["urgency"] = round(record.urgency * 1000)
    if override is not None:
        expires = parse(override.expires_at)
        told["override"] = msgspec.structs.asdict(override) | {"expires_at": expires}
    return told


def _none(value: int) -> int | None:
    return None if value == UNSET else int(value)


def _ring(store: Store, row: int, name: str) -> dict[int, int]:
    matrix, offset, size, days = RINGS[name]
    newest = store.day // days
    cells = store.rings[matrix][row]
    return {b: int(v) for b in range(newest - size + 1, newest + 1) if (v := cells[offset + b % size])}


def _days(store: Store, row: int, slot: int) -> list[int]:
    words = store.hot["active"][row, slot]
    return [d for d in range(store.day - 127, store.day + 1) if int(words[d % 128 // 64]) >> d % 64 & 1]


def _bits(words: np.ndarray) -> list[int]:
    return [
        64 * w + b for w, word in enumerate(words.reshape(-1).tolist()) for b in range(64) if word >> b & 1
    ]


def _account(partition: Partition, row: int) -> dict[str, Any]:
    store = partition.store
    hot, tail = store.hot[row], store.tails.get(row, Tail())
    return {
        **_rings(store, row), **_entities(tail), **_times(hot), **_standing(partition, row),
        **_people(hot, tail), **_plans(hot, tail),
        "levels": {rule: _level(s) for rule, s in sorted(tail.levels.items()) if s.episode},
        "limits": {n: int(v) for n, v in zip(CADENCES, hot["silence_days"], strict=True) if v},
        "fence": {SOURCES[s]: int(o) for s, o in enumerate(hot["fence"]) if o != UNSET},
    }  # fmt: skip


def _rings(store: Store, row: int) -> dict[str, Any]:
    hot, weeks = store.hot[row], range(store.day // 7 - WEEKS + 1, store.day // 7 + 1)
    features = {w: _bits(hot["features"][w % WEEK_SLOTS : w % WEEK_SLOTS + 1]) for w in weeks}
    users = {w: _bits(hot["users"][w % WEEK_SLOTS]) for w in weeks}
    return {
        **{name: _ring(store, row, name) for name in RINGS},
        "active": _days(store, row, 0), "engaged": _days(store, row, 1),
        "users": {w: bits for w, bits in users.items() if bits},
        "features": {w: bits for w, bits in features.items() if bits},
        "users_max": {w: int(n) for w in weeks if (n := hot["users_max"][w % WEEK_SLOTS])},
    }  # fmt: skip


def _entities(tail: Tail) -> dict[str, Any]:
    answers = {
        kind: {who: [a.ts, a.id, a.score] for who, a in sorted(by.items())}
        for kind, by in sorted(tail.surveys.items())
        if by
    }
    return {
        "ticket_map": {k: _ticket(t) for k, t in sorted(tail.tickets.items())},
        "invoice_map": {k: _invoice(i) for k, i in sorted(tail.invoices.items())},
        "survey_map": answers,
        "attributes": {k: v for k, (_, v) in sorted(tail.attributes.items())},
        "mrr_months": {m: v for m, (_, v) in sorted(tail.mrr_months.items())},
    }


def _times(hot) -> dict[str, Any]:
    names = (
        "first_ts",
        "first_value_ts",
        "created_ts",
        "started_ts",
        "ended_ts",
        "churn_notice_ts",
        "auto_renew_on_ts",
    )
    return {
        **{name: _none(hot[name]) for name in names},
        "term": int(hot["term"]),
        "ended": bool(hot["flags"] & ENDED),
        "value_tracked": bool(hot["flags"] & VALUE_TRACKED),
        "last_seen": {n: int(ts) for n, ts in zip(SEEN, hot["last_seen"], strict=False) if ts != UNSET},
    }


def _standing(partition: Partition, row: int) -> dict[str, Any]:
    store, rows = partition.store, np.array([row])
    hot, tick = store.hot[row], int(store.hot["tick"][row])
    ended, score = bool(hot["flags"] & ENDED), hot["score"].astype(np.int64).reshape(1)
    e = partition.context.scorer.evaluate(Facts(store, rows, max(tick, 0)))
    moved = hot["band_since"] != UNSET
    return {
        "score": _none(hot["score"]), "coverage": int(hot["coverage"]),
        "dimensions": {} if ended else named(e.sub[:, 0]),
        "band": "ended" if ended else BANDS[int(hot["band"])],
        "previous_band": BANDS[int(hot["previous_band"])] if moved else None,
        "band_since": _none(hot["band_since"]),
        "pending_band": None if hot["pending_band"] == MISSING else BANDS[int(hot["pending_band"])],
        "pending_since": _none(hot["pending_since"]),
        "last_sub": {n: int(v) for n, v in zip(DIMENSIONS, hot["last_sub"], strict=True) if v != MISSING},
        "history": {} if ended or tick == UNSET else _history(hot, tick // DAY),
        "velocity_7d": velocity(store, rows, tick, score, 7)[0],
        "velocity_28d": velocity(store, rows, tick, score, 28)[0],
    }  # fmt: skip


def _history(hot, today: int) -> dict[int, int]:
    days = range(today - HISTORY_DAYS + 1, today + 1)
    return {d: int(v) for d in days if (v := hot["history"][d % HISTORY_DAYS]) != MISSING}


def _people(hot, tail: Tail) -> dict[str, Any]:
    flags = {
        "contacts": CONTACTS_TRACKED, "sponsors": SPONSORS_TRACKED, "help": HELP_TRACKED,
        "marketing": MARKETING_TRACKED, "community": COMMUNITY_TRACKED,
    }  # fmt: skip
    return {
        "last_active": _none(hot["last_active"][0]), "last_engaged": _none(hot["last_active"][1]),
        "contact_map": {name: _contact(c) for name, c in sorted(tail.contacts.items())},
        **{f"{name}_tracked": bool(hot["flags"] & flag) for name, flag in flags.items()},
        "two_way_ts": _none(hot["two_way_ts"]), "sponsors": int(hot["sponsors"]), "sponsor_ts": _none(hot["sponsor_ts"]),
        "contact_ts": [int(ts) for ts in hot["contact_ts"] if ts != UNSET],
    }  # fmt: skip


def _plans(hot, tail: Tail) -> dict[str, Any]:
    told = {
        name: tail.registers.get(name, (UNSET, UNSET))[0] for name in ("onboarding_due", "goal", "goal_due")
    }
    o = tail.override
    return {
        "milestones_tracked": bool(hot["flags"] & MILESTONES_TRACKED),
        "last_value_ts": _none(hot["last_value_ts"]), "onboarded_ts": _none(hot["onboarded_ts"]),
        **{name: [ts, int(hot[name])] if (ts, hot[name]) != (UNSET, UNSET) else None for name, ts in told.items()},
        "declined_ts": _none(hot["declined_ts"]), "strategy_ts": _none(hot["strategy_ts"]),
        "renewal": _none(hot["renewal"]), "deadline": _none(hot["deadline"]),
        "override": None if o is None else {"ts": o.ts, "value": o.value, "reason": o.reason, "author": o.author, "expires_at": o.expires},
        "detractor_ts": _none(hot["detractor_ts"]), "promoter_ts": _none(hot["promoter_ts"]),
        "trends": {k: int(t) for k, t, n in zip(SURVEY_KINDS, hot["survey_trend"], hot["survey_n"], strict=True) if n >= 4},
        "open_complaints": int(hot["open_complaints"]),
    }  # fmt: skip


def _level(s: LevelState) -> dict[str, Any]:
    firing = s.phase in (Code.FIRING, Code.NO_DATA)
    told = {"revision": s.revision, "band": BANDS[s.band]} if firing else {}
    return {"episode": s.episode, "firing": firing, **told}


def _contact(c: ContactState) -> dict[str, Any]:
    return {
        "role_ts": _none(c.role_ts), "role": None if c.role < 0 else ROLE_NAMES[c.role],
        "departed_ts": _none(c.departed_ts), "departed": None if c.departed_ts == UNSET else c.departed,
        "reply_ts": _none(c.reply), "seen_ts": c.seen,
    }  # fmt: skip


def _ticket(t) -> dict[str, Any]:
    return {
        "opened_ts": _none(t.opened), "state_ts": _none(t.state_ts), "state": None if t.state < 0 else STATES[t.state],
        "priority_ts": _none(t.priority_ts), "priority": None if t.priority < 0 else PRIORITIES[t.priority],
        "complaint_ts": _none(t.complaint), "reopened": list(t.reopened), "escalated": t.escalated,
    }  # fmt: skip


def _invoice(i) -> dict[str, Any]:
    return {
        "status_ts": i.status_ts, "status": STATUSES[i.status], "due_ts": _none(i.due_ts), "due_at": _none(i.due),
        "days_late_ts": _none(i.days_late_ts), "days_late": None if i.days_late_ts == UNSET else i.days_late,
        "paid_ts": _none(i.paid), "disputed_ts": _none(i.disputed), "overdue_ts": _none(i.overdue), "failed": list(i.failed),
    }  # fmt: skip
