"""Why a score moved since it was last published: parts that sum to the change exactly, each with a cause."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from scoring.layout import DIMENSIONS, MISSING
from scoring.state import Store
from scoring.tail import Tail

Cause = Literal["event", "clock", "evidence_missing", "evidence_returned", "reweighted"]
_EVIDENCE: Final = {
    "support": ("ticket ",),
    "invoice_history": ("invoice ",),
    "sentiment": ("nps ", "csat ", "ces "),
    "contract_growth": ("account ",),
    "executive_relationships": ("meeting ", "email ", "call "),
    "csm_activity": ("meeting ", "email ", "call "),
    "self_sufficiency": ("knowledge_base ", "training "),
    "marketing_engagement": ("marketing ",),
    "community": ("community ",),
    "onboarding": ("milestone ",),
    "goals": ("milestone goal",),
}


class Driver(Struct, frozen=True, omit_defaults=True):
    """One part of a change: thousandths of a point, and the newest events behind it (ids and what they were)."""

    dimension: str
    cause: Cause
    points: int
    events: list[str] = []
    what: list[str] = []


def drivers(store: Store, row: int) -> list[Driver]:
    """The parts of the change since the last publication, largest first. Empty for a first publication."""
    hot = store.hot
    if hot["pub_score"][row] == MISSING or hot["score"][row] == MISSING:
        return []
    new, old = hot["contribution"][row].tolist(), hot["pub_contribution"][row].tolist()
    by_events = hot["event_part"][row].tolist()
    reweighted = any((n == MISSING) != (o == MISSING) for n, o in zip(new, old, strict=True))
    parts: list[Driver] = []
    for slot, name in enumerate(DIMENSIONS):
        change = max(new[slot], 0) - max(old[slot], 0)
        if new[slot] != MISSING and old[slot] == MISSING:
            parts.append(_by_event(store, row, name, "evidence_returned", change))
        elif new[slot] == MISSING and old[slot] != MISSING:
            parts.append(Driver(name, "evidence_missing", change))
        elif reweighted:
            parts.append(Driver(name, "reweighted", change))
        else:
            parts.append(_by_event(store, row, name, "event", by_events[slot]))
            parts.append(Driver(name, "clock", change - by_events[slot]))
    return sorted((p for p in parts if p.points), key=lambda p: (-abs(p.points), p.dimension, p.cause))


def _by_event(store: Store, row: int, dimension: str, cause: Cause, points: int) -> Driver:
    return Driver(dimension, cause, points, *evidence_of(store, row, dimension))


def evidence_of(store: Store, row: int, dimension: str) -> tuple[list[str], list[str]]:
    """The newest events behind a dimension, three at most: their ids, and what they were."""
    if dimension == "product_usage":
        newest = store.last_usage[row]
        return ([newest], ["usage"]) if newest else ([], [])
    tail = store.tails.get(row, Tail())
    notable = [(i, w) for _, i, w in reversed(tail.recent) if w.startswith(_EVIDENCE[dimension])][:3]
    return [i for i, _ in notable], [w for _, w in notable]
