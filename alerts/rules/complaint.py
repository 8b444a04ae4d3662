"""complaint: a ticket was marked as a complaint. A fact: fires once per ticket, at the flush."""

from __future__ import annotations

from typing import Final

from alerts.model import Evidence, Kind, Severity
from scoring.model import Complaint as Options
from scoring.tail import Tail


class Complaint:
    """One unhappy voice stands for many silent ones; it is resolved when its ticket is closed or forgotten."""

    name: Final = "complaint"
    kind: Final = Kind.RISK
    play: Final = "Answer today, name one person who owns it, and look for others with the same cause."

    def __init__(self, options: Options) -> None:
        self.severity = Severity(options.severity)

    def over(self, tail: Tail, ticket_id: str) -> bool:
        """Whether the ticket no longer needs anybody."""
        ticket = tail.tickets.get(ticket_id)
        return ticket is None or not ticket.is_open

    def evidence(self, tail: Tail, ticket_id: str) -> list[Evidence]:
        """The ticket and the newest events about it."""
        events = [i for _, i, what in tail.recent if what.startswith(f"ticket {ticket_id} ")]
        return [Evidence(f"ticket {ticket_id} is marked as a complaint", events)]
