"""invoice: one a month, due in 30 days; most are paid in time, by the less healthy a few days late now and then."""

from __future__ import annotations

from typing import Final

from scoring.times import DAY, HOUR
from streams.demo.life.account import Life, stamp

_FAILS: Final = 0.015
"""Chance that a card fails once before it works."""


def live(life: Life) -> None:
    """One every 30 days."""
    profile, rng = life.profile, life.rng("invoices")
    first = profile.connected // DAY + rng.randrange(1, 29)
    for number, day in enumerate(range(first, life.end // DAY + 1, 30), 1):
        issued = day * DAY + 9 * HOUR
        due = issued + 30 * DAY
        told = {"type": "invoice", "invoice_id": f"INV-{life.index + 1}-{number}"}
        money = {"amount": profile.mrr, "currency": "USD"}
        in_time = rng.random() < profile.health + 0.08
        paid = due + int(
            (rng.uniform(-22, -1) if in_time else rng.uniform(1.2, 12 - 7 * profile.health)) * DAY
        )
        fails = rng.random() < _FAILS
        life.emit(issued, **told, **money, action="issued", due_at=stamp(due), period_months=1)
        if _unpaid(life, issued):
            continue
        if fails:
            life.emit(paid - 20 * HOUR, **told, action="payment_failed")
        life.emit(paid, **told, **money, action="paid")


def _unpaid(life: Life, issued: int) -> bool:
    return life.story is not None and life.days_left(issued) < life.story.unpaid_before
