"""The load of the benchmarks: events of about 150 bytes, 85 % usage, over as many accounts as wanted, event time as real time."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from scoring.times import iso

MIX = ((0.85, 0), (0.91, 1), (0.96, 2), (0.99, 3), (1.0, 4))
"""Cumulated share and source: usage, tickets, invoices, surveys, accounts."""
PRIORITY = ("low", "normal", "normal", "high", "urgent")


class Message(NamedTuple):
    """One event on its way to a topic."""

    source: int
    key: bytes
    value: bytes
    quantity: int
    """Units of a usage event, 0 for others: what the recount at the end adds up."""


def messages(count: int, accounts: int, start_ms: int, per_second: int, seed: int = 1) -> Iterator[Message]:
    """`count` events in time order from `start_ms`, `per_second` of them to a second of event time."""
    random = Random(seed)
    pick, below = random.random, random.getrandbits
    stamp, last = "", -1
    for i in range(count):
        ms = start_ms + i * 1000 // per_second
        if ms != last:
            stamp, last = iso(ms) if ms % 1000 else iso(ms)[:-1] + ".000Z", ms
        account = b"acct-%06d" % (below(32) % accounts)
        kind = pick()
        source = next(s for share, s in MIX if kind < share)
        body, quantity = _BODIES[source](i, account.decode(), below)
        value = f'{{"type":{body},"event_id":"e{i:09d}","account_id":"{account.decode()}","ts":"{stamp}"}}'
        yield Message(source, account, value.encode(), quantity)


def _usage(i: int, account: str, below) -> tuple[str, int]:  # noqa: ANN001 - Random.getrandbits
    quantity = below(3) + 1
    return f'"usage","quantity":{quantity},"feature":"feature-{below(4)}","user_id":"u{below(6)}"', quantity


def _ticket(i: int, account: str, below) -> tuple[str, int]:  # noqa: ANN001
    n = below(10)
    action = "opened" if below(1) else "closed"
    return f'"ticket","action":"{action}","ticket_id":"t{n}","priority":"{PRIORITY[n % 5]}"', 0


def _invoice(i: int, account: str, below) -> tuple[str, int]:  # noqa: ANN001
    action = "issued" if below(1) else "paid"
    return f'"invoice","action":"{action}","invoice_id":"in{below(5)}","amount":99.5,"currency":"USD"', 0


def _survey(i: int, account: str, below) -> tuple[str, int]:  # noqa: ANN001
    return f'"survey","kind":"nps","score":{below(3)},"respondent_id":"r{below(4)}"', 0


def _account(i: int, account: str, below) -> tuple[str, int]:  # noqa: ANN001
    return (
        f'"account","action":"updated","seats":{10 + below(5)},"mrr":{1000 + below(10)},"currency":"USD"',
        0,
    )


_BODIES = (_usage, _ticket, _invoice, _survey, _account)
