"""Telling a partition a story by hand: events as dictionaries, records, a context, and what was folded as plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import xxhash
from msgspec import Struct
from msgspec.structs import astuple

from scoring.events import SOURCES
from scoring.layout import HOT, MATRICES
from scoring.model import default_model
from scoring.state import Store
from scoring.tail import Tail
from scoring.times import DAY, UNSET, iso
from streams.context import TickLog, make_context
from streams.partition_context import Context
from streams.pipeline import Partition
from streams.replay import SOURCE_OF

START = 20_000 * DAY
"""Friday, 2024-10-04: the first day of most stories."""
ALL_IDLE = frozenset(range(len(SOURCES)))
OWN_OF_THE_ENGINE = frozenset(
    {
        "fence",
        "recent_ids",
        "id_count",
        "tick",
        "passed",
        "version",
        "event_part",
        "touched",
        "marks",
        "pad",
        "alerts",
        "day",
        "due",
    }
    | {
        "band",
        "band_since",
        "previous_band",
        "pending_band",
        "pending_since",
        "history",
        "last_sub",
        "contribution",
        "score",
        "coverage",
    }
    | {name for name in HOT.names or () if name.startswith("pub_")}
)
"""Columns that say how the engine got here, not what the events told."""
BY_ORDER = OWN_OF_THE_ENGINE | {"engaged"}
"""All that may depend on the order in which events came."""


class Record(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def event(type_: str, at: int, who: str = "acme", /, **fields: Any) -> dict[str, Any]:
    """An event of a type at a time in milliseconds, with an id of its own."""
    told = {"type": type_, "account_id": who, "ts": iso(at), **fields}
    return {
        "event_id": f"{type_}-{xxhash.xxh3_64_hexdigest(json.dumps(told, sort_keys=True).encode())}",
        **told,
    }


def record(offset: int, told: Mapping[str, Any], arrived: int | None = None) -> Record:
    """An event as a record of its topic; without an arrival it came just in time."""
    stamp = START + 10_000 * DAY if arrived is None else arrived
    return Record(offset, stamp, str(told["account_id"]).encode(), json.dumps(told).encode())


def context(*, tick: int = DAY, grace: int = 0, tick_log: TickLog | None = None) -> Context:
    """What a partition needs with the default model, every key admitted."""
    return make_context(default_model(), tick_ms=tick, grace_ms=grace, tick_log=tick_log)


def settle(partition: Partition, now: int) -> None:
    """Let the clock run to `now`, all feeds being read to their end."""
    for _ in partition.advance(now, ALL_IDLE):
        pass


def tell(events: Sequence[Mapping[str, Any]], now: int, where: Context | None = None) -> Partition:
    """A partition that was told these events in order, every type on its own topic, and whose clock ran to `now`."""
    partition = Partition(0, where or context())
    feed(partition, events)
    settle(partition, now)
    return partition


def feed(partition: Partition, events: Sequence[Mapping[str, Any]], offset: int = 0) -> None:
    """Hand over events in order, one chunk a topic, offsets counted on."""
    for source in range(len(SOURCES)):
        mine = [record(offset + n, e) for n, e in enumerate(events) if SOURCE_OF[e["type"]] == source]
        if mine:
            partition.feed(source, mine)


def folded(store: Store, *, without: frozenset[str] = BY_ORDER) -> dict[str, dict[str, Any]]:
    """What the events told of each account: columns, rings and tail; the order they came in cannot be seen in it."""
    return {
        store.name(row): {
            **{name: store.hot[name][row].tolist() for name in HOT.names or () if name not in without},
            **{matrix: store.rings[matrix][row].tolist() for matrix in MATRICES},
            **{
                name: v
                for name, v in _remembered(store.tails.get(row, Tail())).items()
                if name not in without
            },
        }
        for row in range(store.n)
        if store.hot["first_ts"][row] != UNSET
    }


def _remembered(tail: Tail) -> dict[str, Any]:
    return {
        "ticket_map": _plain(tail.tickets),
        "invoice_map": _plain(tail.invoices),
        "contact_map": _plain(tail.contacts),
        "survey_map": {kind: dict(sorted(by.items())) for kind, by in sorted(tail.surveys.items()) if by},
        "attributes": dict(sorted(tail.attributes.items())),
        "mrr_months": dict(sorted(tail.mrr_months.items())),
        "registers": dict(sorted(tail.registers.items())),
        "override_told": tail.override and astuple(tail.override),
        "engaged": [tuple(pair) for pair in tail.engaged],
    }


def _plain(known: Mapping[str, Struct]) -> dict[str, tuple[Any, ...]]:
    return {name: astuple(state) for name, state in sorted(known.items())}
