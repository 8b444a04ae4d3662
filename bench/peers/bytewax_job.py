"""The toy job in Bytewax: `stateful_batch`, its quickest operator, with recovery snapshots in SQLite each second.

`python bytewax_job.py BOOTSTRAP TOPIC,TOPIC PARTITIONS TOTAL DIRECTORY`, in an environment with bytewax and msgspec.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import toy
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main


class Nowhere(StatelessSinkPartition):
    """Takes everything."""

    def write_batch(self, items: list[Any]) -> None:
        """Nothing is kept."""


class Null(DynamicSink):
    """The scores stay in the state, as in the other systems."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> Nowhere:
        """One for each worker."""
        return Nowhere()


def flow(bootstrap: str, topics: list[str], total: int) -> Dataflow:
    """Source, keys, state, nowhere."""
    meter = toy.Meter(total)
    accounts: list[Logic] = []

    class Logic(op.StatefulBatchLogic):
        def __init__(self, state: dict[str, Any] | None) -> None:
            self.state = state
            accounts.append(self)

        def on_batch(self, values: list[toy.Event]) -> tuple[list[float], bool]:
            state = self.state
            for event in values:
                state = toy.add(state, toy.hour(event.ts), event.quantity)
            self.state = state
            if meter.count(len(values)):
                states = [each.state for each in accounts]
                meter.report(len(states), sum(s["events"] for s in states), sum(s["units"] for s in states))
            return [state["score"]], op.StatefulBatchLogic.RETAIN

        def snapshot(self) -> dict[str, Any]:
            return {**self.state, "buckets": list(self.state["buckets"])}

    def keyed(batch: list[Any]) -> list[tuple[str, toy.Event]]:
        events = [toy.decode(message.value) for message in batch]
        return [(event.account_id, event) for event in events]

    graph = Dataflow("bench")
    source = op.input("in", graph, KafkaSource([bootstrap], topics, tail=True, batch_size=1000))
    scored = op.stateful_batch("score", op.flat_map_batch("key", source, keyed), Logic)
    op.output("out", scored, Null())
    return graph


if __name__ == "__main__":
    address, names, _, count, folder = sys.argv[1:6]
    database = Path(folder)
    database.mkdir(parents=True, exist_ok=True)
    init_db_dir(database, 1)
    run_main(
        flow(address, names.split(","), int(count)),
        epoch_interval=timedelta(seconds=1),
        recovery_config=RecoveryConfig(str(database)),
    )
