"""Invoices: one merging state per invoice id, counted in rings, summarised as the oldest open due time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.events import Invoice
from scoring.fold.registers import Counts, counted, keep_newest, replace_counts, replace_smallest
from scoring.state import News, Store
from scoring.tail import DISPUTED, FAILED, ISSUED, OVERDUE, PAID, REFUNDED, UNKNOWN, VOIDED, InvoiceState
from scoring.times import DAY, UNSET, Int64, parse

_STATUS = {
    "issued": ISSUED, "payment_failed": FAILED, "overdue": OVERDUE, "disputed": DISPUTED,
    "paid": PAID, "refunded": REFUNDED, "voided": VOIDED,
}  # fmt: skip
_FAILURES = 8
_WEEK = 7 * DAY


def fold_invoices(store: Store, rows: Int64, events: Sequence[Any], times: Int64) -> NDArray[np.bool_]:
    """Fold invoice events; returns which changed anything."""
    new, unknown = np.ones(len(events), np.bool_), set[int]()
    for i, (row, event, ts) in enumerate(zip(rows.tolist(), events, times.tolist(), strict=True)):
        tail = store.tail(row)
        invoice = tail.invoices.get(event.invoice_id)
        if invoice is None:
            invoice = InvoiceState()
        before, due, failures = _counts(invoice), _open_due(invoice), len(invoice.failed)
        if not merge(invoice, event, ts):
            new[i] = False
            continue
        tail.invoices[event.invoice_id] = invoice
        if len(invoice.failed) > failures:
            store.news.append(News("payment_failure", row, event.invoice_id, ts, len(invoice.failed)))
        replace_counts(store, row, before, _counts(invoice))
        replace_smallest(store, "oldest_due", row, due, _open_due(invoice), unknown)
        if not invoice.is_open:
            store.expect(row, invoice.status_ts)
        if event.action not in ("issued", "paid"):
            keep_newest(tail.recent, (ts, event.event_id, f"invoice {event.invoice_id} {event.action}"))
    for row in unknown:
        derive(store, row)
    return new


def merge(invoice: InvoiceState, event: Invoice, ts: int) -> bool:
    """Merge one event into an invoice; False if it told nothing new."""
    status = _STATUS[event.action]
    changed = ts > invoice.status_ts or (ts == invoice.status_ts and status > invoice.status)
    if changed:
        invoice.status_ts, invoice.status = ts, status
    if event.due_at is not None:
        due = parse(event.due_at)
        if due != UNSET and (ts, due) > (invoice.due_ts, invoice.due):
            invoice.due_ts, invoice.due = ts, due
            changed = True
    if event.days_late is not None and (
        invoice.days_late_ts == UNSET or (ts, event.days_late) > (invoice.days_late_ts, invoice.days_late)
    ):
        invoice.days_late_ts, invoice.days_late = ts, event.days_late
        changed = True
    return _mark(invoice, event.action, ts) or changed


def _mark(invoice: InvoiceState, action: str, ts: int) -> bool:
    if action in ("paid", "disputed", "overdue"):
        known = getattr(invoice, action)
        if known != UNSET and known <= ts:
            return False
        setattr(invoice, action, ts)
        return True
    if action == "payment_failed" and ts not in invoice.failed:
        failed = tuple(sorted((*invoice.failed, ts))[-_FAILURES:])
        changed = failed != invoice.failed
        invoice.failed = failed
        return changed
    return False


def _open_due(invoice: InvoiceState) -> int:
    return invoice.due_time() if UNKNOWN < invoice.status < PAID else UNSET


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
    """The column that summarises the invoices of an account: the oldest due time of an open one."""
    due = map(_open_due, store.tails[row].invoices.values())
    store.hot["oldest_due"][row] = min((ts for ts in due if ts != UNSET), default=UNSET)
