"""payment_failure: the payment of an invoice keeps failing. A fact: fires once per invoice, at the flush."""

from __future__ import annotations

from alerts.model import Evidence
from alerts.rules.base import EMPTY, Fact, counted, date, newest
from scoring.rule_options import PaymentFailure as Options
from scoring.state import News, Store
from scoring.tail import InvoiceState


class PaymentFailure(Fact[Options]):
    """A card that keeps failing ends a subscription though nobody decided to leave.

    Practitioner default: two failed attempts (customer-success-skills, signal library).
    """

    name = "payment_failure"
    when = "an invoice has `attempts` failed payments; over when it is paid, refunded or voided"
    shows = "the invoice, how often it failed, when last"
    play = "Ask for another means of payment before the next attempt, and keep access open until they could answer."

    def fires(self, store: Store, news: News) -> bool:
        """With the attempt that makes it so many."""
        del store
        return news.nth == self.options.attempts

    def over(self, store: Store, row: int, item: str, at: int, now: int) -> bool:
        """Whether nothing is left to pay."""
        del at, now
        invoice = _invoice(store, row, item)
        return invoice is None or not invoice.is_open

    def forgotten(self, store: Store, row: int, item: str, now: int) -> bool:
        """When the invoice is."""
        del now
        return _invoice(store, row, item) is None

    def evidence(self, store: Store, row: int, item: str) -> list[Evidence]:
        """The failed attempts so far."""
        failed = (_invoice(store, row, item) or InvoiceState()).failed
        text = f"invoice {item}: {counted(len(failed), 'failed payment')}"
        events = newest(store.tails.get(row, EMPTY), f"invoice {item} payment_failed")
        return [Evidence(f"{text}, the last on {date(failed[-1])}" if failed else text, events)]


def _invoice(store: Store, row: int, item: str) -> InvoiceState | None:
    return store.tails.get(row, EMPTY).invoices.get(item)
