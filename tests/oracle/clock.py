"""The tick from which every event counts (section 2)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from tests.oracle.instants import HOUR, ceil_tick
from tests.oracle.reading import Event

Schedule = dict[int, list[Event]]


def schedule(events: Iterable[Event], tick: int, grace: int) -> Schedule:
    """Events by the tick they count from; within a tick by source, then offset."""
    newest: dict[int, int] = {}
    ticks: Schedule = defaultdict(list)
    for event in sorted(events, key=lambda e: (e.source, e.offset)):
        newest[event.source] = max(newest.get(event.source, event.time), event.time)
        counts_from = max(event.time, newest[event.source] - grace)
        ticks[ceil_tick(counts_from, tick)].append(event)
    return ticks


def next_full_hour(after: int, tick: int) -> int:
    """The first tick after a time that is a full hour; a tick divides an hour or is whole hours."""
    step = max(tick, HOUR)
    return (after // step + 1) * step
