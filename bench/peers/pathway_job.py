"""The toy job in Pathway: two groupings, with the input persisted each second (its operators' state needs a licence).

`python pathway_job.py BOOTSTRAP TOPIC,TOPIC PARTITIONS TOTAL DIRECTORY`, in an environment with pathway and msgspec.
"""

from __future__ import annotations

import sys
from typing import Any

import pathway as pw
import toy


class Schema(pw.Schema):
    """What the job needs of an event."""

    account_id: str
    ts: str
    quantity: int = pw.column_definition(default_value=0)


def scored(tables: list[Any]) -> Any:  # noqa: ANN401 - a pathway table
    """Units by hour and account, then by account, then the score."""
    events = pw.Table.concat_reindex(*tables).select(
        account_id=pw.this.account_id,
        hour=pw.this.ts.str.slice(0, 13),
        units=pw.this.quantity,
    )
    hours = events.groupby(events.account_id, events.hour).reduce(
        events.account_id, events.hour, n=pw.reducers.count(), units=pw.reducers.sum(events.units)
    )
    accounts = hours.groupby(hours.account_id).reduce(
        hours.account_id, n=pw.reducers.sum(hours.n), units=pw.reducers.sum(hours.units),
        last=pw.reducers.max(pw.make_tuple(hours.hour, hours.units)),
    )  # fmt: skip
    accounts = accounts.select(accounts.account_id, accounts.n, accounts.units, recent=accounts.last.get(1))
    total = pw.if_else(pw.this.units > 500, 1.0, pw.this.units / 500)
    recent = pw.if_else(pw.this.recent > 50, 1.0, pw.this.recent / 50)
    return accounts.select(
        pw.this.account_id, pw.this.n, pw.this.units, score=0.5 * total + 0.3 * recent + 0.2
    )


def run(bootstrap: str, topics: list[str], total: int, directory: str) -> None:
    """Runs until the meter ends the process."""
    meter = toy.Meter(total)
    held: dict[str, tuple[int, int]] = {}
    tables = [
        pw.io.kafka.read(
            {"bootstrap.servers": bootstrap, "group.id": f"bench-pathway-{i}", "auto.offset.reset": "earliest"},
            topic=topic, schema=Schema, format="json", name=f"source{i}", autocommit_duration_ms=1000,
        )
        for i, topic in enumerate(topics)
    ]  # fmt: skip

    def change(key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:  # noqa: ANN401 - its signature
        if is_addition:
            held[row["account_id"]] = (row["n"], row["units"])

    def at_time_end(time: int) -> None:
        done = sum(n for n, _ in held.values())
        if meter.count(done - meter.seen):
            meter.report(len(held), done, sum(u for _, u in held.values()))

    pw.io.subscribe(scored(tables), on_change=change, on_time_end=at_time_end)
    pw.run(
        persistence_config=pw.persistence.Config(
            pw.persistence.Backend.filesystem(directory),
            snapshot_interval_ms=1000,
            persistence_mode=pw.PersistenceMode.PERSISTING,
        ),
        monitoring_level=pw.MonitoringLevel.NONE,
    )


if __name__ == "__main__":
    address, names, _, count, folder = sys.argv[1:6]
    run(address, names.split(","), int(count), folder)
