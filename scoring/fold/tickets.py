"""Tickets: one merging state per ticket id, counted in rings once each, summarised in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from scoring.events import Ticket
from scoring.fold.registers import Counts, counted, earliest, keep_newest, replace_counts
from scoring.layout import DAYS
from scoring.state import News, Store
from scoring.tail import CLOSED, OPENED, PRIORITIES, REOPENED, UNKNOWN, URGENT, TicketState
from scoring.times import DAY, UNSET, Int64

_STATES = {"opened": OPENED, "reopened": REOPENED, "closed": CLOSED}
_REOPENINGS = 8


def fold_tickets(store: Store, rows: Int64, events: Sequence[Any], times: Int64) -> NDArray[np.bool_]:
    """Fold ticket events; returns which changed anything."""
    new = np.ones(len(events), np.bool_)
    changed: set[int] = set()
    for i, (row, event, ts) in enumerate(zip(rows.tolist(), events, times.tolist(), strict=True)):
        tail = store.tail(row)
        ticket = tail.tickets.get(event.ticket_id)
        known = ticket is not None
        ticket = ticket or TicketState()
        counting = (ticket.opened, ticket.complaint, ticket.reopened)
        if not merge(ticket, event, ts):
            new[i] = False
            continue
        if not known:
            tail.tickets[event.ticket_id] = ticket
        if counting[1] == UNSET != ticket.complaint:
            store.news.append(News("complaint", row, event.ticket_id, ts))
        if counting != (ticket.opened, ticket.complaint, ticket.reopened):
            replace_counts(
                store, row, _counts(*counting), _counts(ticket.opened, ticket.complaint, ticket.reopened)
            )
        keep_newest(tail.recent, (ts, event.event_id, f"ticket {event.ticket_id} {event.action}"))
        changed.add(row)
    for row in changed:
        derive(store, row)
    return new


def merge(ticket: TicketState, event: Ticket, ts: int) -> bool:
    """Merge one event into a ticket; False if it told nothing new."""
    before = astuple(ticket)
    state = _STATES.get(event.action)
    if state is not None and (ts, state) > (ticket.state_ts, ticket.state):
        ticket.state_ts, ticket.state = ts, state
    if event.action == "opened":
        ticket.opened = earliest(ticket.opened, ts)
    elif event.action == "reopened" and ts not in ticket.reopened:
        ticket.reopened = sorted([*ticket.reopened, ts])[-_REOPENINGS:]
    if event.priority is not None and (ts, PRIORITIES[event.priority]) > (
        ticket.priority_ts,
        ticket.priority,
    ):
        ticket.priority_ts, ticket.priority = ts, PRIORITIES[event.priority]
    if event.complaint:
        ticket.complaint = earliest(ticket.complaint, ts)
    ticket.escalated |= event.escalated
    return before != astuple(ticket)


def _counts(opened: int, complaint: int, reopened: Sequence[int]) -> Counts:
    return [
        *counted("tickets", opened, DAY),
        *counted("complaints", complaint, 7 * DAY),
        *(("reopens", ts // DAY // 7) for ts in reopened),
    ]


def derive(store: Store, row: int) -> None:
    """The columns that summarise the tickets of an account, and the day the next one is forgotten."""
    since = closed = UNSET
    complaints = 0
    for t in store.tails[row].tickets.values():
        if t.state == CLOSED:
            closed = earliest(closed, t.state_ts)
        elif t.priority == URGENT and t.state != UNKNOWN:
            since = earliest(since, t.opened if t.opened != UNSET else t.state_ts)
        complaints += t.is_open and t.complaint != UNSET
    store.hot["urgent_since"][row] = since
    store.hot["open_complaints"][row] = complaints
    if closed != UNSET:
        store.expiries[closed // DAY + DAYS].add(row)
