"""complaint: a ticket was marked as a complaint. A fact: fires once per ticket, at the flush."""

from __future__ import annotations

from alerts.model import Evidence
from alerts.rules.base import EMPTY, Fact, newest
from scoring.rule_options import Rule
from scoring.state import Store


class Complaint(Fact[Rule]):
    """One unhappy voice stands for many silent ones; it is resolved when its ticket is closed or forgotten.

    A number often quoted: 96 % of unhappy customers never complain, so one complaint stands for up to 25.
    """

    name = "complaint"
    when = "a ticket is marked as a complaint; over when it is closed"
    shows = "the ticket and its newest events"
    play = "Answer today, name one person who owns it, and look for others with the same cause."

    def over(self, store: Store, row: int, item: str, at: int, now: int) -> bool:
        """Whether the ticket no longer needs anybody."""
        del at, now
        ticket = store.tails.get(row, EMPTY).tickets.get(item)
        return ticket is None or not ticket.is_open

    def forgotten(self, store: Store, row: int, item: str, now: int) -> bool:
        """When the ticket is."""
        del now
        return item not in store.tails.get(row, EMPTY).tickets

    def evidence(self, store: Store, row: int, item: str) -> list[Evidence]:
        """The ticket and the newest events about it."""
        events = newest(store.tails.get(row, EMPTY), f"ticket {item} ")
        return [Evidence(f"ticket {item} is marked as a complaint", events)]
