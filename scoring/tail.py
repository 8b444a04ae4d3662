"""The part of an account whose size varies: what is open or remembered, by id, and what waits.

Msgpack in the changelog.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from scoring.times import UNSET

LOW, NORMAL, HIGH, URGENT = range(4)
PRIORITIES: Final = {
    "low": LOW,
    "normal": NORMAL,
    "medium": NORMAL,
    "high": HIGH,
    "urgent": URGENT,
    "critical": URGENT,
}
USER, CHAMPION, EXECUTIVE = range(3)
ROLES: Final = {"user": USER, "champion": CHAMPION, "executive": EXECUTIVE}
OPENED, REOPENED, CLOSED = range(3)
ISSUED, FAILED, OVERDUE, DISPUTED, PAID, REFUNDED, VOIDED = range(7)
UNKNOWN: Final = -1


class TicketState(Struct, array_like=True, gc=False):
    """What is known of one ticket; every field is a register that merges in any order."""

    opened: int = UNSET
    state_ts: int = UNSET
    state: int = UNKNOWN
    priority_ts: int = UNSET
    priority: int = UNKNOWN
    complaint: int = UNSET
    escalated: bool = False
    reopened: tuple[int, ...] = ()

    @property
    def is_open(self) -> bool:
        """Opened or reopened, not closed since."""
        return self.state in (OPENED, REOPENED)


class InvoiceState(Struct, array_like=True, gc=False):
    """What is known of one invoice; every field is a register that merges in any order."""

    status_ts: int = UNSET
    status: int = UNKNOWN
    due_ts: int = UNSET
    due: int = UNSET
    days_late_ts: int = UNSET
    days_late: int = 0
    paid: int = UNSET
    disputed: int = UNSET
    overdue: int = UNSET
    failed: tuple[int, ...] = ()

    @property
    def is_open(self) -> bool:
        """Neither paid nor refunded nor voided."""
        return UNKNOWN < self.status < PAID

    def due_time(self) -> int:
        """When it was or will be due, UNSET if nothing tells."""
        if self.due != UNSET:
            return self.due
        return self.overdue - max(self.days_late, 0) * 86_400_000 if self.overdue != UNSET else UNSET


class Answer(Struct, array_like=True, gc=False):
    """The newest answer of one respondent: time, id, score on 0..100000."""

    ts: int
    id: str
    score: int


class ContactState(Struct, array_like=True, gc=False):
    """What is known of one contact; every field is a register that merges in any order."""

    seen: int = UNSET
    reply: int = UNSET
    role_ts: int = UNSET
    role: int = UNKNOWN
    departed_ts: int = UNSET
    departed: bool = False

    @property
    def is_sponsor(self) -> bool:
        """An executive or a champion, departed or not."""
        return self.role >= CHAMPION


class OverrideState(Struct, array_like=True, gc=False):
    """A person's judgement: when it was given, and until when it is shown. Value in thousandths, or none."""

    ts: int
    value: int | None
    reason: str
    author: str
    expires: int


class Held(Struct, array_like=True, gc=False):
    """An event that was taken but counts from a later tick: JSON that folds as the event does.

    Part of the row, because the fence has passed it.
    """

    tick: int
    source: int
    offset: int
    ts: int
    raw: bytes


class LevelState(Struct, array_like=True, gc=False):
    """Where a level rule stands for this account: phase code of `alerts.machine`, since when, firings so far."""

    phase: int
    since: int
    episode: int
    revision: int = 0
    band: int = UNKNOWN
    """The band last told."""
    told: int = UNSET


class FactState(Struct, array_like=True, gc=False):
    """A fact that fired: its time, the tick it was made at, and whether it still fires."""

    at: int
    tick: int
    firing: bool


class Tail:
    """Everything variable of one account: parts in the order of their encoding, each decoded when it is first read.

    Most events and records concern two or three parts: what nobody read is written back as the bytes it came in.
    """

    tickets: dict[str, TicketState]
    invoices: dict[str, InvoiceState]
    surveys: dict[str, dict[str, Answer]]
    attributes: dict[str, tuple[int, Any]]
    """Attribute name to (time, value)."""
    mrr_months: dict[int, tuple[int, int]]
    """Month number to (time, minor units)."""
    levels: dict[str, LevelState]
    facts: dict[str, dict[str, FactState]]
    """Rule name to item id to state."""
    held: list[Held]
    recent: list[tuple[int, str, str]]
    """The newest notable events (time, event id, what happened): evidence for drivers."""
    contacts: dict[str, ContactState]
    engaged: list[tuple[str, int]]
    """(event id, day) of the newest applied engagement events."""
    registers: dict[str, tuple[int, int]]
    """Name (`goal`, `goal_due`, `onboarding_due`) to (time, value)."""
    override: OverrideState | None

    def __init__(self, **parts: object) -> None:
        """Parts that are not named are empty. Raises TypeError for a name that is no part."""
        if parts:
            if unknown := parts.keys() - _DECODERS.keys():
                raise TypeError(f"a tail has no {', '.join(sorted(unknown))}")
            self.__dict__.update(parts)
        self._bytes: Sequence[msgspec.Raw] = _EMPTY

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - parts differ in type, see above
        """A part that was not read before."""
        decoder = _DECODERS.get(name)
        if decoder is None:
            raise AttributeError(name)
        value = self.__dict__[name] = decoder.decode(self._bytes[_PLACES[name]])
        return value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tail) and self.encode() == other.encode()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def encode(self) -> bytes:
        """A msgpack array of all parts."""
        known, encoded = self.__dict__, self._bytes
        return _encode([known.get(name, encoded[place]) for name, place in _PLACES.items()])

    @classmethod
    def decode(cls, data: bytes) -> Tail:
        """A tail whose parts are still to be decoded; parts that a release did not have yet are empty."""
        tail, encoded = cls(), _split(data)
        if len(encoded) < len(_EMPTY):
            encoded += _EMPTY[len(encoded) :]
        tail._bytes = encoded
        return tail

    def knows(self, name: str) -> bool:
        """Whether a part was read or set, so that it may differ from the bytes it came in."""
        return name in self.__dict__

    def holds(self, name: str) -> bool:
        """Whether a part holds anything; it is not decoded for that."""
        known = self.__dict__
        return bool(known[name]) if name in known else self._bytes[_PLACES[name]] != _EMPTY[_PLACES[name]]

    def oldest(self) -> int:
        """The smallest time of what is remembered for a while only: closed tickets and invoices, answers, contacts."""
        times = [t.state_ts for t in self.tickets.values() if t.state == CLOSED]
        times += [i.status_ts for i in self.invoices.values() if not i.is_open]
        times += [a.ts for by in self.surveys.values() for a in by.values()]
        times += [c.seen for c in self.contacts.values()]
        return min(times, default=UNSET)

    def value(self, name: str) -> Any:  # noqa: ANN401 - attributes differ in type
        """An attribute, None if it was never told."""
        known = self.attributes.get(name)
        return None if known is None else known[1]


_PARTS: Final = get_type_hints(Tail)
_DECODERS: Final = {name: msgspec.msgpack.Decoder(hint) for name, hint in _PARTS.items()}
_PLACES: Final = {name: place for place, name in enumerate(_DECODERS)}
_encode: Final = msgspec.msgpack.Encoder().encode
_split: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_EMPTY: Final = tuple(
    msgspec.Raw(_encode(kind() if (kind := get_origin(hint)) in (dict, list) else None))
    for hint in _PARTS.values()
)
"""Encoded parts that hold nothing."""
