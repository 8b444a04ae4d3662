"""Engagement: touches counted per week, contacts as merging registers, summarised as sponsors and reply times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.events import Engagement
from scoring.fold.registers import keep_newest
from scoring.layout import (
    COMMUNITY_TRACKED,
    CONTACTS,
    CONTACTS_TRACKED,
    DAYS,
    HELP_TRACKED,
    MARKETING_TRACKED,
    SPONSORS_TRACKED,
)
from scoring.state import News, Store
from scoring.tail import ROLES, ContactState, Tail
from scoring.times import DAY, UNSET, Int64

ENGAGED_IDS: Final = 64
"""Engagement events whose ids are remembered."""
CONTACT_CHANNELS: Final = frozenset({"meeting", "email", "call"})
_FLAGS: Final = {
    "meeting": CONTACTS_TRACKED, "email": CONTACTS_TRACKED, "call": CONTACTS_TRACKED,
    "knowledge_base": HELP_TRACKED, "training": HELP_TRACKED, "marketing": MARKETING_TRACKED,
    "community": COMMUNITY_TRACKED,
}  # fmt: skip
_USUAL: Final = {"meeting": "two_way", "call": "two_way", "training": "two_way", "email": "outbound"}
_RINGS: Final = {
    "knowledge_base": "help",
    "training": "help",
    "marketing": "marketing",
    "community": "community",
}


def fold_engagement(store: Store, rows: Int64, events: Sequence[Any], times: Int64) -> NDArray[np.bool_]:
    """Fold engagement events; returns which were new (not among the last ids of their account)."""
    new = np.ones(len(events), np.bool_)
    for i, (row, event, ts) in enumerate(zip(rows.tolist(), events, times.tolist(), strict=True)):
        tail = store.tail(row)
        pair = (event.event_id, ts // DAY)
        if pair in tail.engaged:
            new[i] = False
            continue
        tail.engaged = [*tail.engaged, pair][-ENGAGED_IDS:]
        direction = event.direction or _USUAL.get(event.channel, "inbound")
        _count(store, row, event, direction, ts)
        _meet(store, row, tail, event, ts, replied=_is_reply(event.channel, direction))
        what = f"{event.channel} {direction}" + (f" {event.role}" if event.role else "")
        keep_newest(tail.recent, (ts, event.event_id, what))
    for row in set(rows[new].tolist()):
        derive(store, row)
    return new


def _is_reply(channel: str, direction: str) -> bool:
    return channel in CONTACT_CHANNELS and direction != "outbound"


def _count(store: Store, row: int, event: Engagement, direction: str, ts: int) -> None:
    hot, day = store.hot, ts // DAY
    senior = event.role in ("executive", "champion")
    hot["flags"][row] |= _FLAGS[event.channel] | (SPONSORS_TRACKED if senior else 0)
    if direction == "outbound":
        if event.channel in CONTACT_CHANNELS:
            store.count("outreach", row, day // 7, 1)
        return
    if day > store.day - DAYS:
        hot["active"][row, 1, day % DAYS // 64] |= np.uint64(1 << day % 64)
    hot["last_active"][row, 1] = max(int(hot["last_active"][row, 1]), day)
    if event.channel not in CONTACT_CHANNELS:
        store.count(_RINGS[event.channel], row, day // 7, 1)
        return
    hot["two_way_ts"][row] = max(int(hot["two_way_ts"][row]), ts)
    store.count("replies", row, day // 7, 1)
    if senior:
        store.count("senior_replies", row, day // 7, 1)


def _meet(store: Store, row: int, tail: Tail, event: Engagement, ts: int, *, replied: bool) -> None:
    """What the event tells of the contact it names, by id or at least by role."""
    name = event.contact_id or (f"({event.role})" if event.role else None)
    if name is None:
        return
    contact = tail.contacts.setdefault(name, ContactState())
    left = contact.is_sponsor and contact.departed
    contact.seen = max(contact.seen, ts)
    if replied:
        contact.reply = max(contact.reply, ts)
    if event.role is not None:
        contact.role_ts, contact.role = max((contact.role_ts, contact.role), (ts, ROLES[event.role]))
    if event.departed is not None:
        contact.departed_ts, contact.departed = max(
            (contact.departed_ts, contact.departed), (ts, event.departed)
        )
    if contact.is_sponsor and contact.departed and not left:
        store.news.append(News("sponsor_departed", row, name, ts))


def derive(store: Store, row: int) -> None:
    """The columns that summarise the contacts of an account, and the day the next one is forgotten."""
    contacts = store.tails[row].contacts.values()
    hot = store.hot[row]
    there = [c for c in contacts if not c.departed]
    sponsors = [c for c in there if c.is_sponsor]
    hot["sponsors"] = len(sponsors)
    hot["sponsor_ts"] = max((c.reply for c in sponsors), default=UNSET)
    newest = sorted((c.reply for c in there), reverse=True)[:CONTACTS]
    hot["contact_ts"] = newest + [UNSET] * (CONTACTS - len(newest))
    if contacts:
        store.expect(row, min(c.seen for c in contacts))
