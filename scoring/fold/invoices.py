"""Invoices: one merging state per invoice id, counted in rings, summarised as the oldest open due time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.events import Invoice
from scoring.fold.registers import Counts, counted, earliest, keep_newest, replace_counts
from scoring.layout import DAYS
from scoring.state import News, Store
from scoring.tail import DISPUTED, FAILED, ISSUED, OVERDUE, PAID, REFUNDED, VOIDED, InvoiceState
from scoring.times import DAY, UNSET, Int64, parse

_STATUS = {
    "issued": ISSUED, "payment_failed": FAILED, "overdue": OVERDUE, "disputed": DISPUTED,
    "paid": PAID, "refunded": REFUNDED, "voided": VOIDED,
}  # fmt: skip
_FAILURES = 8
_WEEK = 7 * DAY


def fold_invoices(store: Store, rows: Int64, events: Sequence[Any], times: Int64) -> NDArray[np.bool_]:
    """Fold invoice events; returns which changed anything."""
    new = np.ones(len(events), np.bool_)
    changed: set[int] = set()
    for i, (row, event, ts) in enumerate(zip(rows.tolist(), events, times.tolist(), strict=True)):
        tail = store.tail(row)
        invoice = tail.invoices.get(event.invoice_id)
        known = invoice is not None
        invoice = invoice or InvoiceState()
        before = _counts(invoice) if known else []
        failures = len(invoice.failed)
        if not merge(invoice, event, ts):
            new[i] = False
            continue
        if len(invoice.failed) > failures:
            store.news.append(News("payment_failure", row, event.invoice_id, ts, len(invoice.failed)))
        if not known:
            tail.invoices[event.invoice_id] = invoice
        replace_counts(store, row, before, _counts(invoice))
        if event.action not in ("issued", "paid"):
            keep_newest(tail.recent, (ts, event.event_id, f"invoice {event.invoice_id} {event.action}"))
        changed.add(row)
    for row in changed:
        derive(store, row)
    return new


def merge(invoice: InvoiceState, event: Invoice, ts: int) -> bool:
    """Merge one event into an invoice; False if it told nothing new."""
    before = _registers(invoice)
    status = _STATUS[event.action]
    invoice.status_ts, invoice.status = max((invoice.status_ts, invoice.status), (ts, status))
    if event.due_at is not None:
        due = parse(event.due_at)
        if due != UNSET and (ts, due) > (invoice.due_ts, invoice.due):
            invoice.due_ts, invoice.due = ts, due
    if event.days_late is not None and (
        invoice.days_late_ts == UNSET or (ts, event.days_late) > (invoice.days_late_ts, invoice.days_late)
    ):
        invoice.days_late_ts, invoice.days_late = ts, event.days_late
    _mark(invoice, event.action, ts)
    return before != _registers(invoice)


def _mark(invoice: InvoiceState, action: str, ts: int) -> None:
    if action in ("paid", "disputed", "overdue"):
        setattr(invoice, action, earliest(getattr(invoice, action), ts))
    elif action == "payment_failed" and ts not in invoice.failed:
        invoice.failed = sorted([*invoice.failed, ts])[-_FAILURES:]


def _registers(i: InvoiceState) -> tuple[object, ...]:
    return (
        i.status_ts,
        i.status,
        i.due_ts,
        i.due,
        i.days_late_ts,
        i.days_late,
        i.paid,
        i.disputed,
        i.overdue,
        tuple(i.failed),
    )


def _counts(invoice: InvoiceState) -> Counts:
    if invoice.paid == invoice.disputed == UNSET and not invoice.failed:
        return []
    late = invoice.paid != UNSET and (
        invoice.paid >= invoice.due + DAY if invoice.due != UNSET else invoice.days_late > 0
    )
    return [
        *counted("late", invoice.paid if late else UNSET, _WEEK),
        *(("failures", ts // DAY // 7) for ts in invoice.failed),
        *counted("disputes", invoice.disputed, _WEEK),
    ]


def derive(store: Store, row: int) -> None:
    """The columns that summarise the invoices of an account, and the day the next one is forgotten."""
    oldest = closed = UNSET
    for invoice in store.tails[row].invoices.values():
        if invoice.status >= PAID:
            closed = earliest(closed, invoice.status_ts)
        elif (due := invoice.due_time()) != UNSET:
            oldest = earliest(oldest, due)
    store.hot["oldest_due"][row] = oldest
    if closed != UNSET:
        store.expiries[closed // DAY + DAYS].add(row)
