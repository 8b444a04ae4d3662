"""Engagement: touches counted per week, contacts as merging registers, summarised as sponsors and reply times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

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
    HOT,
    MARKETING_TRACKED,
    SPONSORS_TRACKED,
)
from scoring.state import News, Store, column_offset
from scoring.tail import ROLES, ContactState, Tail
from scoring.times import DAY, UNSET, Int64

ENGAGED_IDS: Final = 64
"""Engagement events whose ids are remembered."""
CONTACT_CHANNELS: Final = frozenset({"meeting", "email", "call"})
_USUAL: Final = {"meeting": "two_way", "call": "two_way", "training": "two_way", "email": "outbound"}
_SENIOR: Final = ("executive", "champion")
_HOT8 = HOT.itemsize // 8
_HOT4 = HOT.itemsize // 4
_TWO_WAY = column_offset("two_way_ts", 8)
_ACTIVE = column_offset("active", 8) + 2
_LAST_ACTIVE = column_offset("last_active", 4) + 1


class _Way(NamedTuple):
    """What a channel used in a direction counts as."""

    direction: str
    flag: int
    ring: str
    """Where it is counted, empty for nowhere."""
    outbound: bool
    reply: bool


_FLAGS: Final = {
    "meeting": CONTACTS_TRACKED, "email": CONTACTS_TRACKED, "call": CONTACTS_TRACKED,
    "knowledge_base": HELP_TRACKED, "training": HELP_TRACKED, "marketing": MARKETING_TRACKED,
    "community": COMMUNITY_TRACKED,
}  # fmt: skip
_RINGS: Final = {
    "knowledge_base": "help",
    "training": "help",
    "marketing": "marketing",
    "community": "community",
}


def _way(channel: str, direction: str) -> _Way:
    outbound, contact = direction == "outbound", channel in CONTACT_CHANNELS
    ring = _RINGS.get(channel, "replies")
    if outbound:
        ring = "outreach" if contact else ""
    return _Way(direction, _FLAGS[channel], ring, outbound, contact and not outbound)


_WAYS: Final = {
    (channel, told): _way(channel, told or _USUAL.get(channel, "inbound"))
    for channel in _FLAGS
    for told in (None, "inbound", "outbound", "two_way")
}
_CODES: Final = {key: code for code, key in enumerate(_WAYS)}
"""Channel and direction to where their way stands in the columns below."""
_FLAG, _OUTBOUND, _REPLY, _RING = (
    np.array([getattr(way, name) for way in _WAYS.values()]) for name in ("flag", "outbound", "reply", "ring")
)


def fold_engagement(store: Store, rows: Int64, events: Sequence[Any], times: Int64) -> NDArray[np.bool_]:
    """Fold engagement events; returns which were new (not among the last ids of their account)."""
    new, met = np.ones(len(events), np.bool_), set[int]()
    for i, (row, event, ts) in enumerate(zip(rows.tolist(), events, times.tolist(), strict=True)):
        tail = store.tail(row)
        pair, engaged = (event.event_id, ts // DAY), tail.engaged
        if pair in engaged:
            new[i] = False
            continue
        engaged.append(pair)
        if len(engaged) > ENGAGED_IDS:
            del engaged[0]
        way = _WAYS[event.channel, event.direction]
        if _meet(store, row, tail, event, ts, replied=way.reply):
            met.add(row)
        what = f"{event.channel} {way.direction}" + (f" {event.role}" if event.role else "")
        keep_newest(tail.recent, (ts, event.event_id, what))
    if not new.all():
        events = [events[i] for i in np.flatnonzero(new).tolist()]
    if events:
        _count(store, rows[new], events, times[new])
    if met:
        _derive(store, sorted(met))
    return new


def _count(store: Store, rows: Int64, events: Sequence[Engagement], times: Int64) -> None:
    """Flags, active days and rings of new events: sums and maxima, so the order does not matter."""
    codes = np.array([_CODES[e.channel, e.direction] for e in events])
    outbound, reply, ring = _OUTBOUND[codes], _REPLY[codes], _RING[codes]
    senior = np.array([e.role in _SENIOR for e in events])
    np.bitwise_or.at(store.hot["flags"], rows, (_FLAG[codes] | senior * SPONSORS_TRACKED).astype(np.uint16))
    days = times // DAY
    at = np.flatnonzero(~outbound & (days > store.day - DAYS))
    bits = np.left_shift(np.uint64(1), (days[at] % 64).astype(np.uint64))
    np.bitwise_or.at(store.hot8u, rows[at] * _HOT8 + _ACTIVE + days[at] % DAYS // 64, bits)
    at = np.flatnonzero(~outbound)
    np.maximum.at(store.hot4, rows[at] * _HOT4 + _LAST_ACTIVE, days[at].astype(np.int32))
    at = np.flatnonzero(reply)
    np.maximum.at(store.hot8, rows[at] * _HOT8 + _TWO_WAY, times[at])
    for name in set(ring.tolist()) - {""}:
        at = np.flatnonzero(ring == name)
        store.count_all(name, rows[at], days[at] // 7)
    at = np.flatnonzero(reply & senior)
    store.count_all("senior_replies", rows[at], days[at] // 7)


def _meet(store: Store, row: int, tail: Tail, event: Engagement, ts: int, *, replied: bool) -> bool:
    """What the event tells of the contact it names, by id or at least by role; False if it names none."""
    name = event.contact_id or (f"({event.role})" if event.role else None)
    if name is None:
        return False
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
    return True


def derive(store: Store, row: int) -> None:
    """The columns that summarise the contacts of an account, and the day the next one is forgotten."""
    _derive(store, [row])


def _derive(store: Store, rows: Sequence[int]) -> None:
    sponsors, newest, replies = [], [], []
    for row in rows:
        contacts = store.tails[row].contacts.values()
        there = [c for c in contacts if not c.departed]
        heard = [c.reply for c in there if c.is_sponsor]
        sponsors.append(len(heard))
        newest.append(max(heard, default=UNSET))
        last = sorted([c.reply for c in there], reverse=True)[:CONTACTS]
        replies.append(last + [UNSET] * (CONTACTS - len(last)))
        if contacts:
            store.expect(row, min([c.seen for c in contacts]))
    store.hot["sponsors"][rows] = sponsors
    store.hot["sponsor_ts"][rows] = newest
    store.hot["contact_ts"][rows] = replies
