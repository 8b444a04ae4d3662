"""What a list of events says about one ticket, one invoice or the answers of one kind (section 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.oracle.instants import DAY, day, week
from tests.oracle.reading import Event

TICKET_STATES = ("opened", "reopened", "closed")
PRIORITIES = ("low", "normal", "high", "urgent")
PRIORITY_ALIASES = {"medium": "normal", "critical": "urgent"}
INVOICE_STATES = ("issued", "payment_failed", "overdue", "disputed", "paid", "refunded", "voided")
KEPT_TIMES = 8
KEPT_ANSWERS = 32

Stamped = tuple[int, int]
"""A time and what was said at it."""
Bucket = tuple[str, int]
"""A ring and one of its days or weeks."""
Answer = tuple[int, str, int]
"""Time, id of the response, score 0..100000."""


@dataclass(frozen=True)
class Ticket:
    """What is known of a ticket; None = not known."""

    opened_ts: int | None
    state_ts: int | None
    state: str | None
    priority_ts: int | None
    priority: str | None
    complaint_ts: int | None
    reopened: tuple[int, ...]
    escalated: bool

    @property
    def is_open(self) -> bool:
        return self.state in ("opened", "reopened")

    def buckets(self) -> Iterator[Bucket]:
        """Where the ticket is counted."""
        if self.opened_ts is not None:
            yield "tickets", day(self.opened_ts)
        if self.complaint_ts is not None:
            yield "complaints", week(self.complaint_ts)
        for time in self.reopened:
            yield "reopens", week(time)

    def forgotten(self, before: int) -> bool:
        """Whether it was closed on or before a day."""
        return self.state == "closed" and self.state_ts is not None and day(self.state_ts) <= before

    def named(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Invoice:
    """What is known of an invoice; None = not known."""

    status_ts: int
    status: str
    due_ts: int | None
    due_at: int | None
    days_late_ts: int | None
    days_late: int | None
    paid_ts: int | None
    disputed_ts: int | None
    overdue_ts: int | None
    failed: tuple[int, ...]

    @property
    def is_open(self) -> bool:
        return INVOICE_STATES.index(self.status) < INVOICE_STATES.index("paid")

    @property
    def due_time(self) -> int | None:
        """When it was, or is, to be paid."""
        if self.due_at is not None:
            return self.due_at
        if self.overdue_ts is not None:
            return self.overdue_ts - max(self.days_late or 0, 0) * DAY
        return None

    @property
    def paid_late(self) -> bool:
        if self.paid_ts is None:
            return False
        if self.due_at is not None:
            return self.paid_ts >= self.due_at + DAY
        return (self.days_late or 0) > 0

    def buckets(self) -> Iterator[Bucket]:
        """Where the invoice is counted."""
        if self.paid_ts is not None and self.paid_late:
            yield "late", week(self.paid_ts)
        if self.disputed_ts is not None:
            yield "disputes", week(self.disputed_ts)
        for time in self.failed:
            yield "failures", week(time)

    def forgotten(self, before: int) -> bool:
        """Whether it was settled on or before a day."""
        return not self.is_open and day(self.status_ts) <= before

    def named(self) -> dict[str, Any]:
        return asdict(self)


def ticket_of(events: Sequence[Event]) -> Ticket:
    """The ticket its events describe."""
    acts = [(e.time, e.body["action"]) for e in events if e.body["action"] in TICKET_STATES]
    states = [(time, TICKET_STATES.index(action)) for time, action in acts]
    said = [(e.time, e.body["priority"]) for e in events if e.body.get("priority") is not None]
    priorities = [(time, PRIORITIES.index(PRIORITY_ALIASES.get(p, p))) for time, p in said]
    state_ts, state = max(states, default=(None, None))
    priority_ts, priority = max(priorities, default=(None, None))
    return Ticket(
        opened_ts=_first(events, "opened"),
        state_ts=state_ts,
        state=None if state is None else TICKET_STATES[state],
        priority_ts=priority_ts,
        priority=None if priority is None else PRIORITIES[priority],
        complaint_ts=min((e.time for e in events if e.body.get("complaint")), default=None),
        reopened=_times(events, "reopened"),
        escalated=any(e.body.get("escalated") for e in events),
    )


def invoice_of(events: Sequence[Event]) -> Invoice:
    """The invoice its events (at least one) describe."""
    status_ts, status = max((e.time, INVOICE_STATES.index(e.body["action"])) for e in events)
    due_ts, due_at = _latest(events, "due_at")
    days_late_ts, days_late = _latest(events, "days_late")
    return Invoice(
        status_ts=status_ts,
        status=INVOICE_STATES[status],
        due_ts=due_ts,
        due_at=due_at,
        days_late_ts=days_late_ts,
        days_late=days_late,
        paid_ts=_first(events, "paid"),
        disputed_ts=_first(events, "disputed"),
        overdue_ts=_first(events, "overdue"),
        failed=_times(events, "payment_failed"),
    )


def newest_answers(answers: dict[str, Answer]) -> dict[str, Answer]:
    """The kept answers of one kind, by respondent: the largest by (time, respondent)."""
    ranked = sorted(answers.items(), key=lambda item: (item[1][0], item[0]))
    return dict(ranked[-KEPT_ANSWERS:])


def _first(events: Sequence[Event], action: str) -> int | None:
    return min((e.time for e in events if e.body["action"] == action), default=None)


def _times(events: Sequence[Event], action: str) -> tuple[int, ...]:
    return tuple(sorted({e.time for e in events if e.body["action"] == action})[-KEPT_TIMES:])


def _latest(events: Sequence[Event], name: str) -> Stamped | tuple[None, None]:
    return max(((e.time, e.body[name]) for e in events if e.body.get(name) is not None), default=(None, None))
