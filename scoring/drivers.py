"""Why a score moved since it was last published: parts that sum to the change exactly, each with a cause."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from scoring.layout import DIMENSIONS, MISSING
from scoring.state import Store
from scoring.tail import Tail

Cause = Literal["event", "clock", "evidence_missing", "evidence_returned", "reweighted"]
_TOLD: Final = ("event", "evidence_returned")
"""Causes behind which events stand."""
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


class Driver(Struct, frozen=True, omit_defaults=True, gc=False):
    """One part of a change: thousandths of a point, and the newest events behind it (ids and what they were)."""

    dimension: str
    cause: Cause
    points: int
    events: list[str] = []
    what: list[str] = []


class Change(NamedTuple):
    """What became of an account since its score was published last."""

    dimensions: list[tuple[int, int, int, int]]
    """Of each that changed: its place, what it adds now and added then, and what events moved, in thousandths."""
    reweighted: bool


def changes_of(hot: NDArray[Any]) -> list[Change]:
    """The changes of some accounts, by their hot rows; those published for the first time have none."""
    new, old, by_event = hot["contribution"], hot["pub_contribution"], hot["event_part"]
    reweighted = ((new == MISSING) != (old == MISSING)).any(axis=1).tolist()
    changed = (new != old) | (by_event != 0)
    changed &= ((hot["pub_score"] != MISSING) & (hot["score"] != MISSING))[:, None]
    out = [Change([], again) for again in reweighted]
    which, place = (found.tolist() for found in np.nonzero(changed))
    told = zip(
        which, place, new[changed].tolist(), old[changed].tolist(), by_event[changed].tolist(), strict=True
    )
    for i, *change in told:
        out[i].dimensions.append(tuple(change))
    return out


def drivers(store: Store, row: int, tail: Tail, change: Change) -> list[Driver]:
    """The parts of the change since the last publication, largest first. Empty for a first publication."""
    parts: list[Driver] = []
    for place, n, o, by_event in change.dimensions:
        name = DIMENSIONS[place]
        for cause, points in _causes(n, o, by_event, reweighted=change.reweighted):
            if points:
                known = evidence_of(store, row, tail, name) if cause in _TOLD else ([], [])
                parts.append(Driver(name, cause, points, *known))
    return sorted(parts, key=lambda p: (-abs(p.points), p.dimension, p.cause))


def _causes(new: int, old: int, by_event: int, *, reweighted: bool) -> tuple[tuple[Cause, int], ...]:
    change = max(new, 0) - max(old, 0)
    if new != MISSING and old == MISSING:
        return (("evidence_returned", change),)
    if new == MISSING and old != MISSING:
        return (("evidence_missing", change),)
    if reweighted:
        return (("reweighted", change),)
    return ("event", by_event), ("clock", change - by_event)


def evidence_of(store: Store, row: int, tail: Tail, dimension: str) -> tuple[list[str], list[str]]:
    """The newest events behind a dimension of an account, three at most: their ids, and what they were."""
    if dimension == "product_usage":
        newest = store.last_usage[row]
        return ([newest], ["usage"]) if newest else ([], [])
    kinds = _EVIDENCE[dimension]
    notable = [(i, w) for _, i, w in reversed(tail.recent) if w.startswith(kinds)][:3]
    return [i for i, _ in notable], [w for _, w in notable]
