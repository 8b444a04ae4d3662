"""sponsor_departed: an executive or champion of ours left. A fact: fires once per contact, at the flush."""

from __future__ import annotations

from alerts.model import Evidence
from alerts.rules.base import EMPTY, Fact, counted, dated
from scoring.rule_options import Rule
from scoring.state import Store
from scoring.tail import EXECUTIVE, ContactState


class SponsorDeparted(Fact[Rule]):
    """Loss of the sponsor is one of six drift signs (The Ten Laws, law 2).

    Directional, from a vendor's study: 51 % of accounts left within a year of losing their champion, 65 % after a
    change of executive. It is over once another sponsor has answered us since.
    """

    name = "sponsor_departed"
    when = "an executive or champion departed; over when another one replied since, or they are back"
    shows = "who left, in which role, how many sponsors remain"
    play = "Ask who is left for an introduction to the successor this week; bring what was reached so far on one page."

    def over(self, store: Store, row: int, item: str, at: int, now: int) -> bool:
        """Whether they are back, forgotten, or followed by a sponsor who talks to us."""
        del now
        contact = _contact(store, row, item)
        return contact is None or not contact.departed or bool(store.hot["sponsor_ts"][row] > at)

    def forgotten(self, store: Store, row: int, item: str, now: int) -> bool:
        """When the contact is."""
        del now
        return _contact(store, row, item) is None

    def evidence(self, store: Store, row: int, item: str) -> list[Evidence]:
        """Who, and who is left."""
        tail, contact = store.tails.get(row, EMPTY), _contact(store, row, item) or ContactState()
        role = "executive" if contact.role == EXECUTIVE else "champion"
        who = f"the {role}" if item == f"({role})" else f"{item} ({role})"  # who has no id is named by role
        left = counted(int(store.hot["sponsors"][row]), "sponsor")
        at = tail.facts.get(self.name, {}).get(item)
        events = dated(tail, (at.at,) if at else (), "meeting ", "email ", "call ")
        return [Evidence(f"{who} departed; {left} left that we know", events)]


def _contact(store: Store, row: int, item: str) -> ContactState | None:
    return store.tails.get(row, EMPTY).contacts.get(item)
