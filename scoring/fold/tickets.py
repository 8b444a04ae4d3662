"""Tickets: one merging state per ticket id, counted in rings once each, summarised in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.events import Ticket
from scoring.fold.registers import Counts, counted, keep_newest, replace_counts
from scoring.state import News, Store
from scoring.tail import CLOSED, OPENED, PRIORITIES, REOPENED, URGENT, TicketState
from scoring.times import DAY, UNSET, Int64

_STATES = {"opened": OPENED, "reopened": REOPENED, "closed": CLOSED}
_REOPENINGS = 8


def fold_tickets(store: Store, rows: Int64, events: Sequence[Any], times: Int64) -> NDArray[np.bool_]:
    """Fold ticket events; returns which changed anything."""
    new = np.ones(len(events), np.bool_)
    for i, (row, event, ts) in enumerate(zip(rows.tolist(), events, times.tolist(), strict=True)):
        tail = store.tail(row)
        ticket = tail.tickets.get(event.ticket_id) or TicketState()
        counted_at, urgent = (ticket.opened, ticket.complaint, ticket.reopened), _urgent_since(ticket)
        if not merge(ticket, event, ts):
            new[i] = False
            continue
        tail.tickets[event.ticket_id] = ticket
        if counted_at[1] == UNSET != ticket.complaint:
            store.news.append(News("complaint", row, event.ticket_id, ts))
        counts_at = (ticket.opened, ticket.complaint, ticket.reopened)
        if counts_at != counted_at:
            replace_counts(store, row, _counts(*counted_at), _counts(*counts_at))
        if urgent != _urgent_since(ticket):
            _derive_urgent(store, row)
        if ticket.complaint != UNSET:
            _derive_complaints(store, row)
        if ticket.state == CLOSED:
            store.expect(row, ticket.state_ts)
        keep_newest(tail.recent, (ts, event.event_id, f"ticket {event.ticket_id} {event.action}"))
    return new


def merge(ticket: TicketState, event: Ticket, ts: int) -> bool:
    """Merge one event into a ticket; False if it told nothing new."""
    changed = False
    state = _STATES.get(event.action)
    if state is not None and (ts, state) > (ticket.state_ts, ticket.state):
        ticket.state_ts, ticket.state = ts, state
        changed = True
    if event.action == "opened" and (ticket.opened == UNSET or ts < ticket.opened):
        ticket.opened = ts
        changed = True
    elif event.action == "reopened" and ts not in ticket.reopened:
        reopened = sorted([*ticket.reopened, ts])[-_REOPENINGS:]
        changed |= reopened != ticket.reopened
        ticket.reopened = reopened
    if event.priority is not None:
        told = (ts, PRIORITIES[event.priority])
        if told > (ticket.priority_ts, ticket.priority):
            ticket.priority_ts, ticket.priority = told
            changed = True
    return _merge_marks(ticket, event, ts) or changed


def _merge_marks(ticket: TicketState, event: Ticket, ts: int) -> bool:
    changed = event.escalated and not ticket.escalated
    ticket.escalated |= event.escalated
    if event.complaint and (ticket.complaint == UNSET or ts < ticket.complaint):
        ticket.complaint = ts
        changed = True
    return changed


def _urgent_since(t: TicketState) -> int:
    if t.priority != URGENT or not t.is_open:
        return UNSET
    return t.opened if t.opened != UNSET else t.state_ts


def _counts(opened: int, complaint: int, reopened: Sequence[int]) -> Counts:
    return [
        *counted("tickets", opened, DAY),
        *counted("complaints", complaint, 7 * DAY),
        *(("reopens", ts // DAY // 7) for ts in reopened),
    ]


def derive(store: Store, row: int) -> None:
    """The columns that summarise the tickets of an account, from scratch."""
    _derive_complaints(store, row)
    _derive_urgent(store, row)


def _derive_complaints(store: Store, row: int) -> None:
    tickets = store.tails[row].tickets.values()
    store.hot["open_complaints"][row] = sum(t.complaint != UNSET and t.is_open for t in tickets)


def _derive_urgent(store: Store, row: int) -> None:
    waiting = map(_urgent_since, store.tails[row].tickets.values())
    store.hot["urgent_since"][row] = min((since for since in waiting if since != UNSET), default=UNSET)
