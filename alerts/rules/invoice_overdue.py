"""invoice_overdue: an invoice is not paid long after it was due."""

from __future__ import annotations

import numpy as np

from alerts.model import Evidence
from alerts.rules.base import Level, Tick, Verdict, counted, date, newest
from scoring.rule_options import WithinDays
from scoring.times import DAY, UNSET


class InvoiceOverdue(Level[WithinDays]):
    """Either a mistake, then a word helps, or the first thing that somebody stops doing who means to leave.

    Practitioner numbers: 7 to 30 days overdue are a medium risk, more a high one (NetEase's health-score skill); 60 to
    120 in one ChurnZero set-up. The default lies inside the first span; from 60 days the band is capped, too.
    """

    name = "invoice_overdue"
    when = "an open invoice is `days` past its due date"
    shows = "the overdue invoices, when each was due"
    play = "Ask the buyer, not the user, whether the invoice arrived and who approves it; agree on a date of payment."

    def verdict(self, tick: Tick) -> Verdict:
        """By the oldest one."""
        due = tick.facts.column("oldest_due")
        return Verdict(np.asarray((due != UNSET) & (tick.facts.now - due >= self.options.days * DAY)))

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """Every invoice that is overdue, the oldest three at most."""
        tail, now = tick.tail(i), tick.facts.now
        due = sorted((v.due_time(), name) for name, v in tail.invoices.items() if v.is_open)
        return [
            Evidence(
                f"invoice {name} was due on {date(ts)}, {counted((now - ts) // DAY, 'day')} ago",
                newest(tail, f"invoice {name} "),
            )
            for ts, name in [(ts, name) for ts, name in due if UNSET < ts < now][:3]
        ]
