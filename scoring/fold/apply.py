"""One entry for all event types: late ones are counted, the others go to the fold of their type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.events import AnyEvent
from scoring.fold import engagement, invoices, surveys, tickets
from scoring.fold.accounts import fold_accounts
from scoring.fold.milestones import fold_milestones
from scoring.fold.outcomes import fold_outcomes
from scoring.fold.overrides import fold_overrides
from scoring.fold.usage import fold_usage
from scoring.layout import DAYS, HOT
from scoring.state import LOOK, ROW, SCORE, Store, column_offset
from scoring.tail import CLOSED, Tail
from scoring.times import DAY, UNSET, Int64

USAGE, TICKET, INVOICE, SURVEY, ACCOUNT, CHURN, RENEWAL, ENGAGEMENT, MILESTONE, OVERRIDE, COST = range(11)
TERM_CODES: Final = frozenset({USAGE, TICKET, INVOICE, SURVEY, ENGAGEMENT, MILESTONE})
"""Types that belong to a term: they can be late, and wait while the account is ended."""
IN_TERM: Final = np.array([code in TERM_CODES for code in range(COST + 1)])
"""The same by code."""


class Fates(NamedTuple):
    """How many events of a call were applied, had nothing left to apply, or were older than their ring."""

    applied: int
    duplicate: int
    late: int


_Fold = Callable[[Store, Int64, Sequence[Any], Int64], NDArray[np.bool_]]
_FOLDS: Final[dict[int, _Fold]] = {
    USAGE: fold_usage,
    TICKET: tickets.fold_tickets,
    INVOICE: invoices.fold_invoices,
    SURVEY: surveys.fold_surveys,
    ACCOUNT: fold_accounts,
    CHURN: fold_outcomes,
    RENEWAL: fold_outcomes,
    ENGAGEMENT: engagement.fold_engagement,
    MILESTONE: fold_milestones,
    OVERRIDE: fold_overrides,
    COST: fold_outcomes,
}
_SEEN_AS: Final = (0, 1, 2, 3, 4, 4, 4, 5, 6, 4, 4)
"""Code to position in `layout.SEEN`: outcomes, overrides and costs count as account."""
_HOT8 = HOT.itemsize // 8
_FIRST = column_offset("first_ts", 8)
_SEEN = column_offset("last_seen", 8)


def fold(store: Store, code: int, rows: Int64, events: Sequence[AnyEvent], times: Int64) -> Fates:
    """Fold events of one type, in order, into a store that is rolled to the day they count from.

    Args:
        store: the accounts.
        code: the event type, USAGE .. COST.
        rows: row per event.
        events: the events.
        times: milliseconds per event.
    """
    late = 0
    if code in TERM_CODES:
        young = times // DAY > store.today - DAYS
        if not young.all():
            late = len(events) - int(young.sum())
            rows, events, times = (
                rows[young],
                [events[i] for i in np.flatnonzero(young).tolist()],
                times[young],
            )
    if not len(rows):
        return Fates(0, 0, late)
    # Duplicates count too: which of two events is the one with nothing left to apply depends on their order.
    first, unsigned = rows * _HOT8 + _FIRST, times.view(np.uint64)  # unsigned: UNSET is the largest value
    earlier = np.flatnonzero(unsigned < store.hot8u[first])
    if len(earlier):
        np.minimum.at(store.hot8u, first[earlier], unsigned[earlier])
    np.maximum.at(store.hot8, rows * _HOT8 + (_SEEN + _SEEN_AS[code]), times)
    if (
        code != USAGE and len(rows) > 1
    ):  # event by event: those of an account one after the other, as its tail is in the cache then
        order = np.argsort(rows, kind="stable")
        rows, times, events = rows[order], times[order], [events[i] for i in order.tolist()]
    new = _FOLDS[code](store, rows, events, times)
    rows = rows[new]
    store.touch(rows)
    store.hot["touched"][rows] |= np.uint32(1 << code)
    return Fates(len(rows), len(events) - len(rows), late)


def forget(store: Store) -> None:
    """Drop closed tickets and invoices, answers and contacts whose last day has passed; `store.today` was just set."""
    for row in store.expected():
        if row not in store.tails:
            continue
        tail = store.tails[row]
        if _drop(tail, (store.today - DAYS + 1) * DAY):
            refresh(store, row)
        if (oldest := tail.oldest()) != UNSET:
            store.expect(row, oldest)


def _drop(tail: Tail, oldest: int) -> bool:
    before = _remembered(tail)
    tail.tickets = {k: t for k, t in tail.tickets.items() if t.state != CLOSED or t.state_ts >= oldest}
    tail.invoices = {k: i for k, i in tail.invoices.items() if i.is_open or i.status_ts >= oldest}
    tail.surveys = {
        kind: {k: a for k, a in by.items() if a.ts >= oldest} for kind, by in tail.surveys.items()
    }
    tail.contacts = {k: c for k, c in tail.contacts.items() if c.seen >= oldest}
    return before != _remembered(tail)


def _remembered(tail: Tail) -> int:
    return len(tail.tickets) + len(tail.invoices) + len(tail.contacts) + sum(map(len, tail.surveys.values()))


def refresh(store: Store, row: int) -> None:
    """Derive the columns that summarise a tail, after it changed."""
    store.tail(row)
    tickets.derive(store, row)
    invoices.derive(store, row)
    surveys.derive(store, row)
    engagement.derive(store, row)
    store.mark[row] |= ROW | SCORE | LOOK
