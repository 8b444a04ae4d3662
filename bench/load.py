"""The load of every benchmark: one mix of events of about 150 bytes, over as many accounts as wanted, in time order.

Made in blocks: choices as numpy columns, values from cached pieces of JSON. Memory is bounded by the accounts, not the events.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.keys import Int64, Picker, partitions_of
from scoring.events import SOURCES
from scoring.times import DAY, iso

SHARES: Final = {
    "usage": 0.84, "ticket": 0.05, "invoice": 0.04, "survey": 0.03, "account": 0.01, "engagement": 0.025, "milestone": 0.005,
}  # fmt: skip
SOURCE: Final = tuple(
    SOURCES.index(name) for name in ("usage", "tickets", "invoices", "surveys", "accounts", "engagement", "engagement")
)  # fmt: skip
"""Input topic of each type of the mix."""
BLOCK: Final = 20_000

_FEATURES, _USERS, _QUANTITIES = 16, 64, 8
_PRIORITIES = (b"low", b"normal", b"normal", b"normal", b"high", b"high", b"normal", b"urgent")
_DISPLEASED = (0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 5, 8)
_TOUCHES = (
    b'"email","direction":"outbound","contact_id":"c%d"',
    b'"email","direction":"inbound","contact_id":"c%d","role":"user"',
    b'"meeting","direction":"two_way","contact_id":"c%d","role":"champion"',
    b'"call","direction":"two_way","contact_id":"c%d","role":"executive"',
    b'"knowledge_base"',
    b'"marketing"',
    b'"community"',
    b'"training"',
)
_WRAP = 60_000
"""Steps of tickets and invoices are kept in 16 bits."""


@dataclass(frozen=True)
class Load:
    """What to send: `per_second` is the pace of event time, beginning at `start_ms`."""

    events: int
    accounts: int
    start_ms: int
    per_second: float
    zipf: bool = False
    seed: int = 1
    tag: str = "e"
    """Begins the ids, so that two loads on the same topics do not share any."""

    def backlog(self, days: float, per_day: int) -> Load:
        """The same as a backlog that ends where this load would begin."""
        return replace(
            self,
            events=int(days * per_day),
            per_second=per_day / 86_400,
            start_ms=self.start_ms - int(days * DAY),
        )


class Block(NamedTuple):
    """Consecutive events as columns."""

    accounts: Int64
    sources: Int64
    partitions: NDArray[np.int32]
    quantities: Int64
    """Units of a usage event, 0 for others."""
    times: Int64
    keys: list[bytes]
    values: list[bytes]


class Fleet:
    """The accounts of a load: keys, partitions, and how far the tickets and invoices of each are."""

    def __init__(self, accounts: int, partitions: int) -> None:
        numbers = np.arange(accounts)
        self.names = [f"acct-{i:07d}" for i in range(accounts)]
        self.keys = [name.encode() for name in self.names]
        self.partitions = partitions_of(numbers, partitions)
        self.tickets = array("H", bytes(2 * accounts))
        self.invoices = array("H", bytes(2 * accounts))
        self.changes = array("B", bytes(accounts))


class Generator:
    """Writes a load block by block; the same load gives the same bytes."""

    def __init__(self, load: Load, fleet: Fleet) -> None:
        self._load = load
        self._fleet = fleet
        self._random = np.random.default_rng(load.seed)
        self._picker = Picker(load.accounts, zipf=load.zipf, random=self._random)
        self._kinds = np.cumsum(list(SHARES.values()))
        self._usage = _usage_pieces()
        self._tag = load.tag.encode()
        self._writers = (
            self._ticket, self._invoice, self._survey, self._account, self._engagement, self._milestone,
        )  # fmt: skip

    def blocks(self, size: int = BLOCK) -> Iterator[Block]:
        """All events, at most `size` to a block."""
        for first in range(0, self._load.events, size):
            yield self._block(first, min(size, self._load.events - first))

    def _block(self, first: int, count: int) -> Block:
        random, load, fleet = self._random, self._load, self._fleet
        accounts = self._picker.draw(count)
        kinds = np.minimum(np.searchsorted(self._kinds, random.random(count), side="right"), len(SHARES) - 1)
        usage = random.integers(0, len(self._usage), count)
        times = load.start_ms + ((first + np.arange(count)) * (1000 / load.per_second)).astype(np.int64)
        keys = [fleet.keys[account] for account in accounts.tolist()]
        form = b'{"type":%b,"event_id":"' + load.tag.encode() + b'%09d","account_id":"%b","ts":"%b"}'
        bodies = self._bodies(kinds, usage, accounts, times)
        numbers = range(first, first + count)
        values = [form % parts for parts in zip(bodies, numbers, keys, _stamps(times), strict=True)]
        quantities = np.where(kinds == 0, usage % _QUANTITIES + 1, 0)
        return Block(
            accounts, np.array(SOURCE)[kinds], fleet.partitions[accounts], quantities, times, keys, values
        )

    def _bodies(self, kinds: Int64, usage: Int64, accounts: Int64, times: Int64) -> list[bytes]:
        """What tells the events apart, type first; usage from the pieces, the others one by one."""
        pieces = self._usage
        bodies = [pieces[i] for i in usage.tolist()]
        others = np.flatnonzero(kinds)
        draws = self._random.integers(0, 1 << 20, len(others))
        columns = (others, kinds[others], accounts[others], draws, times[others])
        for at, kind, account, draw, time in zip(*(column.tolist() for column in columns), strict=True):
            bodies[at] = self._writers[kind - 1](account, draw, time)
        return bodies

    def _ticket(self, account: int, draw: int, time: int) -> bytes:
        """Opened and closed in turn; one in 16 of the openings opens the last one again, one in 64 complains."""
        step = self._fleet.tickets[account]
        self._fleet.tickets[account] = (step + 1) % _WRAP
        name = (self._tag, step // 2)
        if step % 2:
            return b'"ticket","action":"closed","ticket_id":"%b-t%d"' % name
        if step and draw % 16 == 0:
            self._fleet.tickets[account] = step - 1  # which the next event closes
            return b'"ticket","action":"reopened","ticket_id":"%b-t%d"' % (self._tag, step // 2 - 1)
        complaint = b',"complaint":true' if draw % 64 == 1 else b""
        return b'"ticket","action":"opened","ticket_id":"%b-t%d","priority":"%b"%b' % (
            *name, _PRIORITIES[draw % 8], complaint,
        )  # fmt: skip

    def _invoice(self, account: int, draw: int, time: int) -> bytes:
        """Issued and settled in turn; one of eight payments fails."""
        step = self._fleet.invoices[account]
        self._fleet.invoices[account] = (step + 1) % _WRAP
        action = b"issued" if step % 2 == 0 else b"payment_failed" if draw % 8 == 0 else b"paid"
        due = b',"due_at":"%b"' % iso((time // DAY + 30) * DAY).encode() if step % 2 == 0 else b""
        return b'"invoice","action":"%b","invoice_id":"%b-i%d","amount":99.5,"currency":"USD"%b' % (
            action, self._tag, step // 2, due,
        )  # fmt: skip

    def _survey(self, account: int, draw: int, time: int) -> bytes:
        """Mostly satisfied; two of three are nps."""
        kind, best, worst = (b"csat", 5, 1) if draw % 3 == 0 else (b"nps", 10, 0)
        score = max(worst, best - _DISPLEASED[draw // 16 % len(_DISPLEASED)])
        return b'"survey","kind":"%b","score":%d,"respondent_id":"r%d"' % (kind, score, draw % 16)

    def _account(self, account: int, draw: int, time: int) -> bytes:
        """Says again what is known; one of sixteen brings a higher price and another seat."""
        if draw % 16 == 0:
            self._fleet.changes[account] = (self._fleet.changes[account] + 1) % 200
        step = self._fleet.changes[account]
        seats, mrr = 5 + account % 97 + step, 400 + account % 251 * 20 + step * 25
        return b'"account","action":"updated","seats":%d,"mrr":%d,"currency":"USD","plan":"team"' % (
            seats,
            mrr,
        )

    def _engagement(self, account: int, draw: int, time: int) -> bytes:
        """Mails, meetings and calls with four contacts, and what people read and attended."""
        touch = _TOUCHES[draw % len(_TOUCHES)]
        return b'"engagement","channel":' + (touch % (draw // 8 % 4) if b"%d" in touch else touch)

    def _milestone(self, account: int, draw: int, time: int) -> bytes:
        """Progress to a goal; one of three says that the first value was seen."""
        if draw % 3 == 0:
            return b'"milestone","kind":"first_value"'
        return b'"milestone","kind":"goal_progress","value":%d' % (draw % 101)


def _usage_pieces() -> list[bytes]:
    """Every usage body; piece `i` has `i % 8 + 1` units, one of 32 reports an error."""
    return [
        b'"usage","quantity":%d,"feature":"feature-%d","user_id":"u%d"%b'
        % (
            i % _QUANTITIES + 1,
            i // 8 % _FEATURES,
            i // 128 % _USERS,
            b',"errors":1' if i // 8 % 32 == 7 else b"",
        )
        for i in range(_QUANTITIES * _FEATURES * _USERS)
    ]


def _stamps(times: Int64) -> list[bytes]:
    """RFC 3339 with milliseconds of ascending times."""
    distinct, index = np.unique(times, return_inverse=True)
    texts = np.datetime_as_string(distinct.astype("datetime64[ms]"), unit="ms").tolist()
    stamps = [f"{text}Z".encode() for text in texts]
    return [stamps[i] for i in index.tolist()]
