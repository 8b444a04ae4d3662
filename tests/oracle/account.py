"""One account: the events applied to it in this term, and what outlives a term (section 4)."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.oracle.contacts import Contact, contact_of
from tests.oracle.entities import Answer, Bucket, Invoice, Ticket, invoice_of, ticket_of
from tests.oracle.instants import day
from tests.oracle.milestones import Override
from tests.oracle.reading import Event

KEPT_DAYS = 128
OF_A_TERM = ("usage", "ticket", "invoice", "survey", "engagement", "milestone")
"""Types that can be late, and are held while the account is ended."""
Attribute = tuple[int, str, Any]
"""Time, canonical JSON of the value, value."""


class News(NamedTuple):
    """Something a fact rule may tell: the event that made it known is that of `at`."""

    rule: str
    item: str
    at: int
    count: int = 1


@dataclass
class Level:
    """Where a level rule stands; neither pending nor firing: inactive."""

    pending_since: int | None = None
    firing: bool = False
    episode: int = 0
    revision: int = 0
    band: str = ""
    """The band last told."""


@dataclass
class Item:
    """A fact that was told."""

    at: int
    firing: bool = True


@dataclass
class Standing:
    """What the ticks of a term have decided so far; None = missing or never."""

    score: int | None = None
    coverage: int = 0
    tier: str = ""
    weights: dict[str, int] = field(default_factory=dict)
    """Of the enabled dimensions."""
    dimensions: dict[str, int | None] = field(default_factory=dict)
    band: int = 0
    previous_band: int | None = None
    band_since: int | None = None
    pending_band: int | None = None
    pending_since: int | None = None
    last_sub: dict[str, int] = field(default_factory=dict)
    history: dict[int, int | None] = field(default_factory=dict)
    limits: dict[str, int | None] = field(default_factory=dict)
    """Days without a sign of life that are silence, by source."""
    limits_day: int | None = None
    levels: dict[str, Level] = field(default_factory=lambda: defaultdict(Level))
    items: dict[str, dict[str, Item]] = field(default_factory=lambda: defaultdict(dict))
    """Facts told, by rule and item."""


@dataclass
class Term:
    """From the first event, or from a return, until the account ends."""

    number: int = 0
    first_ts: int | None = None
    created_ts: int | None = None
    last_seen: dict[str, int] = field(default_factory=dict)
    usage: list[Event] = field(default_factory=list)
    engagement: list[Event] = field(default_factory=list)
    milestones: list[Event] = field(default_factory=list)
    tickets: dict[str, list[Event]] = field(default_factory=dict)
    invoices: dict[str, list[Event]] = field(default_factory=dict)
    contacts: dict[str, list[Event]] = field(default_factory=dict)
    answers: dict[str, dict[str, Answer]] = field(default_factory=lambda: defaultdict(dict))
    forgotten: Counter[Bucket] = field(default_factory=Counter)
    """What tickets and invoices that are no longer remembered were counted in."""
    news: list[News] = field(default_factory=list)
    """What became known since the last tick, in the order of folding."""
    standing: Standing = field(default_factory=Standing)


class Remembered(NamedTuple):
    """What is known of tickets, invoices and contacts, by id."""

    tickets: dict[str, Ticket]
    invoices: dict[str, Invoice]
    contacts: dict[str, Contact]


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
    override: Override | None = None
    recent_ids: dict[str, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))
    """Type to ids and days of its newest applied events."""
    fence: dict[int, int] = field(default_factory=dict)
    folded: set[tuple[int, int]] = field(default_factory=set)
    """Source and offset of every event seen."""
    was_ended: bool = False
    """Whether it was ended at the last tick it was evaluated at."""
    as_of: int = -1
    """The last tick it was evaluated at."""
    version: int = 0
    """Grows with every change, so that sums can be remembered until the next."""
    entities: tuple[int, Remembered] | None = None

    @property
    def exists(self) -> bool:
        """Whether anything was ever applied."""
        return self.term.first_ts is not None

    @property
    def is_ended(self) -> bool:
        return self.ended_ts is not None and (self.started_ts is None or self.ended_ts >= self.started_ts)

    @property
    def gave_notice(self) -> bool:
        """Whether a churn notice stands: neither a new start nor auto-renew came after it."""
        revoked = max(-1 if t is None else t for t in (self.started_ts, self.auto_renew_on_ts))
        return self.churn_notice_ts is not None and self.churn_notice_ts > revoked

    def attribute(self, name: str) -> Any:
        """The present value of an attribute, None if never said."""
        return self.attributes[name][2] if name in self.attributes else None

    def remembered(self) -> Remembered:
        """Tickets, invoices and contacts as they stand; worked out once for every version."""
        if self.entities is None or self.entities[0] != self.version:
            tickets = {key: ticket_of(events) for key, events in self.term.tickets.items()}
            invoices = {key: invoice_of(events) for key, events in self.term.invoices.items()}
            contacts = {key: contact_of(events) for key, events in self.term.contacts.items()}
            self.entities = (self.version, Remembered(tickets, invoices, contacts))
        return self.entities[1]


def new_term(row: AccountRow) -> None:
    """The account returned: only what outlives a term stays."""
    row.term = Term(number=row.term.number + 1, first_ts=row.started_ts, created_ts=row.started_ts)
    row.mrr = {max(row.mrr): row.mrr[max(row.mrr)]} if row.mrr else {}
    row.version += 1


def forget(row: AccountRow, today: int) -> None:
    """Drop what is remembered no longer on a new day; what it counted stays."""
    before, term = today - KEPT_DAYS, row.term
    known = row.remembered()
    counted: list[tuple[str, Ticket | Invoice, dict[str, list[Event]]]]
    counted = [(key, ticket, term.tickets) for key, ticket in known.tickets.items()]
    counted += [(key, invoice, term.invoices) for key, invoice in known.invoices.items()]
    for key, entity, events in counted:
        if entity.forgotten(before):
            term.forgotten.update(entity.buckets())
            del events[key]
            row.version += 1
    for key, contact in known.contacts.items():
        if contact.forgotten(before):
            del term.contacts[key]
            row.version += 1
    for kind, answers in term.answers.items():
        kept = {who: answer for who, answer in answers.items() if day(answer[0]) > before}
        row.version += len(kept) != len(answers)
        term.answers[kind] = kept
