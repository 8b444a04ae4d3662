"""What engagement events say: who spoke to whom, and what is known of the people (section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.oracle.instants import day
from tests.oracle.reading import Event

CONTACT_KINDS = ("meeting", "email", "call")
USUAL_DIRECTION = {
    "meeting": "two_way",
    "email": "outbound",
    "call": "two_way",
    "marketing": "inbound",
    "community": "inbound",
    "knowledge_base": "inbound",
    "training": "two_way",
}
ROLES = ("user", "champion", "executive")
SENIOR = ("executive", "champion")
HELP = ("knowledge_base", "training")
NEWEST_CONTACTS = 8


def is_contact(event: Event) -> bool:
    """Whether it is of a kind in which people speak to each other."""
    return event.body["channel"] in CONTACT_KINDS


def is_outbound(event: Event) -> bool:
    """Whether only the vendor was heard."""
    return (event.body.get("direction") or USUAL_DIRECTION[event.body["channel"]]) == "outbound"


def is_reply(event: Event) -> bool:
    """Whether the customer spoke."""
    return is_contact(event) and not is_outbound(event)


def told_role(event: Event) -> str | None:
    """The role an engagement event carries."""
    return event.body.get("role")


def contact_name(event: Event) -> str | None:
    """Whom it names: an id, else the role in brackets, else nobody."""
    said, role = event.body.get("contact_id"), told_role(event)
    if said is not None:
        return str(said)
    return None if role is None else f"({role})"


def rings_of(event: Event) -> list[str]:
    """The weekly rings that count an engagement event."""
    channel, rings = event.body["channel"], []
    if is_contact(event) and is_outbound(event):
        rings.append("outreach")
    if is_reply(event):
        rings.append("replies")
        if told_role(event) in SENIOR:
            rings.append("senior_replies")
    if not is_outbound(event):
        rings += ["help"] if channel in HELP else []
        rings += [channel] if channel in ("marketing", "community") else []
    return rings


@dataclass(frozen=True)
class Contact:
    """What is known of a contact; None = not known."""

    role_ts: int | None
    role: str | None
    departed_ts: int | None
    departed: bool | None
    reply_ts: int | None
    seen_ts: int

    @property
    def is_sponsor(self) -> bool:
        """By the role last told, departed or not."""
        return self.role in SENIOR

    @property
    def left_as_sponsor(self) -> bool:
        return self.is_sponsor and bool(self.departed)

    def forgotten(self, before: int) -> bool:
        """Whether it was last seen on or before a day."""
        return day(self.seen_ts) <= before

    def named(self) -> dict[str, Any]:
        return asdict(self)


def contact_of(events: Sequence[Event]) -> Contact:
    """The contact its events (at least one) describe."""
    roles = [(e.time, ROLES.index(e.body["role"])) for e in events if told_role(e) is not None]
    departures = [(e.time, e.body["departed"]) for e in events if e.body.get("departed") is not None]
    role_ts, role = max(roles, default=(None, None))
    departed_ts, departed = max(departures, default=(None, None))
    return Contact(
        role_ts=role_ts,
        role=None if role is None else ROLES[role],
        departed_ts=departed_ts,
        departed=departed,
        reply_ts=max((e.time for e in events if is_reply(e)), default=None),
        seen_ts=max(e.time for e in events),
    )


def present_sponsors(contacts: dict[str, Contact]) -> list[Contact]:
    """Sponsors who have not departed."""
    return [c for c in contacts.values() if c.is_sponsor and not c.departed]


def newest_replies(contacts: dict[str, Contact]) -> list[int]:
    """When the contacts who have not departed last replied, newest first, at most eight."""
    there = [c.reply_ts for c in contacts.values() if not c.departed and c.reply_ts is not None]
    return sorted(there, reverse=True)[:NEWEST_CONTACTS]
