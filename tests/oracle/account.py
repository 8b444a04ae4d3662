"""One account: the events applied to it in this term, and what outlives a term (section 4)."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from scoring.events import Account as AccountEvent
from tests.oracle.entities import Answer, Bucket, Invoice, Ticket, invoice_of, newest_answers, ticket_of
from tests.oracle.instants import day, month
from tests.oracle.reading import Event, ends_account, milli, minor, normalised

KEPT_DAYS = 128
KEPT_MONTHS = 14
KEPT_IDS = 32
HELD_WHILE_ENDED = ("usage", "ticket", "invoice", "survey")
Attribute = tuple[int, str, Any]
"""Time, canonical JSON of the value, value."""


@dataclass
class Standing:
    """What the ticks of a term have decided so far; None = missing or never."""

    score: int | None = None
    coverage: int = 0
    dimensions: dict[str, int | None] = field(default_factory=dict)
    band: int = 0
    previous_band: int | None = None
    band_since: int | None = None
    pending_band: int | None = None
    pending_since: int | None = None
    last_sub: dict[str, int] = field(default_factory=dict)
    history: dict[int, int | None] = field(default_factory=dict)
    episodes: Counter[str] = field(default_factory=Counter)
    rule_since: dict[str, int] = field(default_factory=dict)
    firing: set[str] = field(default_factory=set)
    complaints: set[str] = field(default_factory=set)
    """Tickets whose complaint alert fires."""


@dataclass
class Term:
    """From the first event, or from a return, until the account ends."""

    number: int = 0
    first_ts: int | None = None
    created_ts: int | None = None
    last_seen: dict[str, int] = field(default_factory=dict)
    usage: list[Event] = field(default_factory=list)
    tickets: dict[str, list[Event]] = field(default_factory=dict)
    invoices: dict[str, list[Event]] = field(default_factory=dict)
    answers: dict[str, dict[str, Answer]] = field(default_factory=lambda: defaultdict(dict))
    forgotten: Counter[Bucket] = field(default_factory=Counter)
    """What tickets and invoices that are no longer remembered were counted in."""
    new_complaints: dict[str, int] = field(default_factory=dict)
    """Ticket to the time of the event that made it a complaint."""
    standing: Standing = field(default_factory=Standing)


@dataclass
class AccountRow:
    """Everything known of one account."""

    account_id: str
    term: Term = field(default_factory=Term)
    attributes: dict[str, Attribute] = field(default_factory=dict)
    mrr: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Month to (time, minor units)."""
    started_ts: int | None = None
    ended_ts: int | None = None
    churn_notice_ts: int | None = None
    auto_renew_on_ts: int | None = None
    recent_ids: list[tuple[str, int]] = field(default_factory=list)
    fence: dict[int, int] = field(default_factory=dict)
    folded: set[tuple[int, int]] = field(default_factory=set)
    """Source and offset of every event seen."""
    was_ended: bool = False
    """Whether it was ended at the last tick it was evaluated at."""
    version: int = 0
    """Grows with every change, so that sums can be remembered until the next."""
    entities: tuple[int, dict[str, Ticket], dict[str, Invoice]] | None = None

    @property
    def exists(self) -> bool:
        """Whether anything was ever applied."""
        return self.term.first_ts is not None

    @property
    def is_ended(self) -> bool:
        return self.ended_ts is not None and (self.started_ts is None or self.ended_ts >= self.started_ts)

    def attribute(self, name: str) -> Any:
        """The present value of an attribute, None if never said."""
        return self.attributes[name][2] if name in self.attributes else None

    def remembered(self) -> tuple[dict[str, Ticket], dict[str, Invoice]]:
        """Tickets and invoices as they stand; worked out once for every version."""
        if self.entities is None or self.entities[0] != self.version:
            tickets = {key: ticket_of(events) for key, events in self.term.tickets.items()}
            invoices = {key: invoice_of(events) for key, events in self.term.invoices.items()}
            self.entities = (self.version, tickets, invoices)
        return self.entities[1:]


def apply(row: AccountRow, event: Event) -> bool:
    """Fold an event into the account; False if nothing was left to apply."""
    new = FOLDS[event.kind](row, event)
    term, seen_as = row.term, "account" if event.kind == "outcome" else event.kind
    term.first_ts = _extreme(min, term.first_ts, event.time)
    term.last_seen[seen_as] = _extreme(max, term.last_seen.get(seen_as), event.time)
    row.version += 1
    return new


def _usage(row: AccountRow, event: Event) -> bool:
    pair = (event.event_id, day(event.time))
    if pair in row.recent_ids:
        return False
    row.recent_ids = [*row.recent_ids, pair][-KEPT_IDS:]
    row.term.usage.append(event)
    return True


def _ticket(row: AccountRow, event: Event) -> bool:
    key = event.body["ticket_id"]
    events = row.term.tickets.get(key, [])
    before, after = ticket_of(events), ticket_of([*events, event])
    if before == after:
        return False
    if before.complaint_ts is None and after.complaint_ts is not None:
        row.term.new_complaints[key] = event.time
    row.term.tickets[key] = [*events, event]
    return True


def _invoice(row: AccountRow, event: Event) -> bool:
    key = event.body["invoice_id"]
    events = row.term.invoices.get(key, [])
    if events and invoice_of(events) == invoice_of([*events, event]):
        return False
    row.term.invoices[key] = [*events, event]
    return True


def _survey(row: AccountRow, event: Event) -> bool:
    body, answers = event.body, row.term.answers[event.body["kind"]]
    response = body.get("response_id") or event.event_id
    respondent = body.get("respondent_id") or response
    answer = (event.time, response, normalised(body) or 0)
    present = answers.get(respondent)
    if present is not None and answer[:2] <= present[:2]:
        return False
    kept = newest_answers({**answers, respondent: answer})
    row.term.answers[body["kind"]] = kept
    return kept != answers


def _account(row: AccountRow, event: Event) -> bool:
    before = _registers(row)
    for name in AccountEvent.ATTRIBUTES:
        if event.body.get(name) is not None:
            value = _attribute_value(name, event.body)
            said = (event.time, json.dumps(value, ensure_ascii=False), value)
            row.attributes[name] = max(row.attributes.get(name, said), said, key=lambda v: v[:2])
    if event.body.get("mrr") is not None:
        _add_mrr(row, event)
    action = event.body["action"]
    if action in ("created", "signup", "subscription_started"):
        row.term.created_ts = _extreme(min, row.term.created_ts, event.time)
    if action in ("signup", "subscription_started"):
        row.started_ts = _extreme(max, row.started_ts, event.time)
    if action == "churn_notice":
        row.churn_notice_ts = _extreme(max, row.churn_notice_ts, event.time)
    if event.body.get("auto_renew") is True:
        row.auto_renew_on_ts = _extreme(max, row.auto_renew_on_ts, event.time)
    return _registers(row) != before


def _extreme(which: Callable[[int, int], int], known: int | None, time: int) -> int:
    return time if known is None else which(known, time)


def _registers(row: AccountRow) -> tuple[Any, ...]:
    times = (row.term.created_ts, row.started_ts, row.churn_notice_ts, row.auto_renew_on_ts)
    return (*times, dict(row.attributes), dict(row.mrr))


def _attribute_value(name: str, body: dict[str, Any]) -> Any:
    value = body[name]
    if name == "mrr":
        return minor(value, body.get("currency"))
    return float(value) if name == "icp_fit" and type(value) is int else value


def _add_mrr(row: AccountRow, event: Event) -> None:
    said = (event.time, minor(event.body["mrr"], event.body.get("currency")))
    which = month(event.time)
    row.mrr[which] = max(row.mrr.get(which, said), said)
    row.mrr = {m: row.mrr[m] for m in sorted(row.mrr)[-KEPT_MONTHS:]}


def _outcome(row: AccountRow, event: Event) -> bool:
    if ends_account(event.body):
        row.ended_ts = _extreme(max, row.ended_ts, event.time)
    return True


FOLDS: dict[str, Callable[[AccountRow, Event], bool]] = {
    "usage": _usage,
    "ticket": _ticket,
    "invoice": _invoice,
    "survey": _survey,
    "account": _account,
    "outcome": _outcome,
}


def new_term(row: AccountRow) -> None:
    """The account returned: only what outlives a term stays."""
    row.term = Term(number=row.term.number + 1, first_ts=row.started_ts, created_ts=row.started_ts)
    row.mrr = {max(row.mrr): row.mrr[max(row.mrr)]} if row.mrr else {}
    row.version += 1


def forget(row: AccountRow, today: int) -> None:
    """Drop what is remembered no longer on a new day; what it counted stays."""
    before, term = today - KEPT_DAYS, row.term
    tickets, invoices = row.remembered()
    known: list[tuple[str, Ticket | Invoice, dict[str, list[Event]]]]
    known = [(key, ticket, term.tickets) for key, ticket in tickets.items()]
    known += [(key, invoice, term.invoices) for key, invoice in invoices.items()]
    for key, entity, events in known:
        if entity.forgotten(before):
            term.forgotten.update(entity.buckets())
            del events[key]
            row.version += 1
    for kind, answers in term.answers.items():
        term.answers[kind] = {who: answer for who, answer in answers.items() if day(answer[0]) > before}


def usage_milli(event: Event) -> int:
    """What a usage event counts, in milli-units."""
    return milli(event.body.get("quantity", 1))
