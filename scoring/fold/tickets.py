"""Tickets: one merging state per ticket id, counted in rings once each, summarised in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.events import Ticket
from scoring.fold.registers import Counts, counted, keep_newest, replace_counts, replace_smallest
from scoring.state import News, Store
from scoring.tail import CLOSED, OPENED, PRIORITIES, REOPENED, URGENT, TicketState
from scoring.times import DAY, UNSET, Int64

_STATES = {"opened": OPENED, "reopened": REOPENED, "closed": CLOSED}
_REOPENINGS = 8
_CountedAt = tuple[int, int, tuple[int, ...]]
"""Times at which a ticket is counted: opened, complaint, reopened."""


def fold_tickets(store: Store, rows: Int64, events: Sequence[Any], times: Int64) -> NDArray[np.bool_]:
    """Fold ticket events; returns which changed anything."""
    new, unknown = np.ones(len(events), np.bool_), set[int]()
    for i, (row, event, ts) in enumerate(zip(rows.tolist(), events, times.tolist(), strict=True)):
        tail = store.tail(row)
        ticket = tail.tickets.get(event.ticket_id)
        if ticket is None:
            ticket = TicketState()
        counted_at, urgent = (ticket.opened, ticket.complaint, ticket.reopened), _urgent_since(ticket)
        complains = _complains(ticket)
        if not merge(ticket, event, ts):
            new[i] = False
            continue
        tail.tickets[event.ticket_id] = ticket
        _recount(store, row, event.ticket_id, ticket, ts, counted_at)
        if complains != _complains(ticket):
            store.hot["open_complaints"][row] += -1 if complains else 1
        replace_smallest(store, "urgent_since", row, urgent, _urgent_since(ticket), unknown)
        if ticket.state == CLOSED:
            store.expect(row, ticket.state_ts)
        keep_newest(tail.recent, (ts, event.event_id, f"ticket {event.ticket_id} {event.action}"))
    for row in unknown:
        _derive_urgent(store, row)
    return new


def _recount(
    store: Store, row: int, ticket_id: str, ticket: TicketState, ts: int, counted_at: _CountedAt
) -> None:
    """Bring the rings from what they knew of a ticket to what is known now, and tell a new complaint."""
    opened, complaint, reopened = counted_at
    if opened != ticket.opened:
        replace_counts(store, row, counted("tickets", opened, DAY), counted("tickets", ticket.opened, DAY))
    if complaint != ticket.complaint:
        if complaint == UNSET:
            store.news.append(News("complaint", row, ticket_id, ts))
        before, after = (counted("complaints", at, 7 * DAY) for at in (complaint, ticket.complaint))
        replace_counts(store, row, before, after)
    if reopened != ticket.reopened:
        replace_counts(store, row, _reopens(reopened), _reopens(ticket.reopened))


def merge(ticket: TicketState, event: Ticket, ts: int) -> bool:
    """Merge one event into a ticket; False if it told nothing new."""
    state = _STATES.get(event.action)
    changed = state is not None and _advance(ticket, state, ts)
    if event.priority is not None:
        priority = PRIORITIES[event.priority]
        if ts > ticket.priority_ts or (ts == ticket.priority_ts and priority > ticket.priority):
            ticket.priority_ts, ticket.priority, changed = ts, priority, True
    if event.escalated and not ticket.escalated:
        ticket.escalated = changed = True
    if event.complaint and (ticket.complaint == UNSET or ts < ticket.complaint):
        ticket.complaint, changed = ts, True
    return changed


def _advance(ticket: TicketState, state: int, ts: int) -> bool:
    changed = ts > ticket.state_ts or (ts == ticket.state_ts and state > ticket.state)
    if changed:
        ticket.state_ts, ticket.state = ts, state
    if state == OPENED and (ticket.opened == UNSET or ts < ticket.opened):
        ticket.opened, changed = ts, True
    elif state == REOPENED and ts not in ticket.reopened:
        before = ticket.reopened
        ticket.reopened = tuple(sorted((*before, ts))[-_REOPENINGS:])
        changed |= ticket.reopened != before
    return changed


def _urgent_since(t: TicketState) -> int:
    if t.priority != URGENT or t.state not in (OPENED, REOPENED):
        return UNSET
    return t.opened if t.opened != UNSET else t.state_ts


def _complains(t: TicketState) -> bool:
    return t.complaint != UNSET and t.is_open


def _reopens(times: Sequence[int]) -> Counts:
    return [("reopens", ts // DAY // 7) for ts in times]


def derive(store: Store, row: int) -> None:
    """The columns that summarise the tickets of an account, from scratch."""
    _derive_complaints(store, row)
    _derive_urgent(store, row)


def _derive_complaints(store: Store, row: int) -> None:
    tickets = store.tails[row].tickets.values()
    store.hot["open_complaints"][row] = sum(map(_complains, tickets))


def _derive_urgent(store: Store, row: int) -> None:
    waiting = map(_urgent_since, store.tails[row].tickets.values())
    store.hot["urgent_since"][row] = min((since for since in waiting if since != UNSET), default=UNSET)
