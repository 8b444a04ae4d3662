"""What costs an account most points, in plain words: how low a dimension is, and what was last told of it. Pure.

All of it is as of the last tick, and nothing says by how much a dimension fell: that would be since the record
published last, and when records are published differs between two runs of the same log; alerts must not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alerts.model import Evidence
from alerts.rules.base import EMPTY, date
from scoring.drivers import evidence_of
from scoring.layout import DIMENSIONS, MISSING
from scoring.state import Store
from scoring.tail import URGENT, Tail
from scoring.times import DAY, UNSET

SHOWN: Final = 3
"""Dimensions that are told."""


def costs(store: Store, row: int, weights: Sequence[int]) -> list[Evidence]:
    """The dimensions that cost most points as of the last tick, worst first; nothing of those that cost none.

    Args:
        store: the accounts.
        row: of the account.
        weights: of all dimensions, for the account's tier.
    """
    subs = store.hot["last_sub"][row].tolist()
    lost = [(weights[slot] * (100_000 - sub), slot) for slot, sub in enumerate(subs) if sub != MISSING]
    worst, tail = sorted(lost, key=lambda item: (-item[0], item[1]))[:SHOWN], store.tails.get(row, EMPTY)
    return [_cost(store, row, tail, DIMENSIONS[slot], subs[slot]) for cost, slot in worst if cost]


def _cost(store: Store, row: int, tail: Tail, dimension: str, sub: int) -> Evidence:
    """Points are cut and not rounded, as everywhere."""
    ids, told = evidence_of(store, row, tail, dimension)
    if dimension == "product_usage":
        said = _last_used(int(store.hot["last_active"][row, 0]))
    else:
        said = ", ".join(dict.fromkeys(_words(what, tail) for what in told))
    low = f"{_plain(dimension)} down to {sub // 1000} of 100"
    return Evidence(f"{low}: {said}" if said else low, ids)


def _last_used(day: int) -> str:
    """From a column: the newest usage event itself is not known any more after a restart."""
    return "" if day == UNSET else f"last used on {date(day * DAY)}"


def _words(what: str, tail: Tail) -> str:
    """A notable event as people write it: `ticket T-1 updated (urgent, complaint)`, `two-way call (champion)`."""
    kind, _, rest = what.partition(" ")
    if kind == "ticket":
        return f"{what}{_marks(rest.rpartition(' ')[0], tail)}"
    if kind == "invoice":
        number, _, action = rest.rpartition(" ")
        return f"invoice {number} {_plain(action)}"
    if kind == "milestone":
        return _plain(rest) + _reached(rest, tail)
    if kind == "account":
        return f"account {_plain(rest)}"
    if kind in {"nps", "csat", "ces"}:
        return f"{kind.upper()} {rest}"
    direction, _, role = rest.partition(" ")
    told = f"{direction.replace('_', '-')} {_plain(kind)}"
    return f"{told} ({role})" if role else told


def _marks(ticket_id: str, tail: Tail) -> str:
    ticket = tail.tickets.get(ticket_id)
    if ticket is None:
        return ""
    known = {"urgent": ticket.priority == URGENT, "complaint": ticket.complaint != UNSET}
    marks = [name for name, holds in known.items() if holds]
    return f" ({', '.join(marks)})" if marks else ""


def _reached(milestone: str, tail: Tail) -> str:
    _, goal = tail.registers.get("goal", (UNSET, UNSET))
    return f" (now {goal // 1000} %)" if milestone == "goal_progress" and goal != UNSET else ""


def _plain(name: str) -> str:
    return name.replace("_", " ")
