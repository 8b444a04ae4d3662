"""Every figure that a run gives, with its unit and its bar: the one list behind the table, the JSON and the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple


class Spec(NamedTuple):
    """One figure."""

    scenario: str
    """Which part of a run measures it."""
    unit: str
    bar: float | None = None
    most: bool = False
    """The bar is an upper limit, not a lower one."""

    def meets(self, value: float) -> bool:
        """Whether a value satisfies the bar; always, if there is none."""
        return self.bar is None or (value <= self.bar if self.most else value >= self.bar)


PER_CORE: Final = "events/s and core"
CPU: Final = "us/event"

PARTS: Final = ("decoding", "folding usage", "folding the rest", "scores", "rows", "compressing rows")
"""What the engine does with events, in the order of `bench.parts`."""

PEERS: Final[Mapping[str, str]] = {
    "peer-faust": "Faust, idiomatic",
    "peer-bytewax": "Bytewax",
    "peer-quix": "Quix Streams",
    "peer-pathway": "Pathway",
    "peer-streams-rocksdb": "Kafka Streams, RocksDB",
    "peer-streams-memory": "Kafka Streams, in memory",
    "peer-streams-objects": "Kafka Streams, expert build",
    "peer-flink": "Flink",
}
"""Scenario to the name of the system; the toy job of our own transport is `peer-own`."""
NO_BAR: Final = frozenset({"peer-faust", "peer-streams-objects"})
"""Idiomatic Faust has a bar of its own; the expert build of Kafka Streams is shown, whoever wins."""


def _steady() -> Iterator[tuple[str, Spec]]:
    yield "raw client, whole batches", Spec("raw", CPU)
    yield "raw client, whole batches and decode", Spec("raw", CPU)
    for scenario, name, bar in (
        ("steady-5k", "steady, 5 k accounts", 380_000),
        ("steady-100k-zipf", "steady, 100 k accounts, Zipf", 350_000),
        ("steady-100k-uniform", "steady, 100 k accounts, uniform, 1 s commits", 220_000),
        ("steady-1m-zipf", "steady, 1 M accounts, Zipf", 250_000),
        ("steady-1m-uniform", "steady, 1 M accounts, uniform", 140_000),
        ("backlog", "backlog of 5 k accounts, ticks of 1 h", 250_000),
    ):
        yield name, Spec(scenario, PER_CORE, bar)
        yield f"{name}: CPU", Spec(scenario, CPU)
    yield "steady, 5 k accounts: against idiomatic Faust", Spec("steady-5k", "times", 60)
    yield "steady, 5 k accounts: of the raw client", Spec("steady-5k", "%", 30)
    yield "steady, 5 k accounts: wall", Spec("steady-5k", "events/s")
    yield (
        "steady, 100 k accounts, uniform, 1 s commits: commits held",
        Spec("steady-100k-uniform", "commits/s", 0.9),
    )
    yield "backlog of 5 k accounts, ticks of 1 h: days", Spec("backlog", "days")


def _recovery() -> Iterator[tuple[str, Spec]]:
    yield "recovery: rows into live state", Spec("steady-1m-zipf", "rows/s", 400_000)
    yield "recovery: rows a client reads, doing nothing else", Spec("steady-1m-zipf", "rows/s")
    yield "recovery: of the raw client", Spec("steady-1m-zipf", "%")
    yield (
        "recovery: process start to first event, 100 k accounts",
        Spec("steady-100k-zipf", "s", 3, most=True),
    )
    yield "recovery: process start to first event, 1 M accounts", Spec("steady-1m-zipf", "s", 7, most=True)
    yield "takeover: SIGTERM of one of two to commits on all partitions", Spec("takeover", "s", 4, most=True)
    for label in ("without a name", "with a name"):
        yield f"restart of one of two {label}: longest stall", Spec("restart", "s")
        yield f"restart of one of two {label}: stalls, all partitions", Spec("restart", "s")


def _latency() -> Iterator[tuple[str, Spec]]:
    for scenario, rate, bars in (("latency-1k", "1 k/s", (150, 250)), ("latency-50k", "50 k/s", (200, 700))):
        yield f"event to score record, {rate}: p50", Spec(scenario, "ms", bars[0], most=True)
        yield f"event to score record, {rate}: p99", Spec(scenario, "ms", bars[1], most=True)
        yield f"event to score record, {rate}: samples", Spec(scenario, "records", 100)
    yield "CPU at 1 k events/s", Spec("latency-1k", "% of a core", 12, most=True)
    yield "CPU at 50 k events/s", Spec("latency-50k", "% of a core")
    yield "full tick, 1 M accounts: CPU", Spec("tick", "s", 1.5, most=True)
    yield "loop held, 1 M accounts under load: p99", Spec("tick", "ms", 25, most=True)
    yield "loop held, 1 M accounts under load: max", Spec("tick", "ms", 80, most=True)
    for scenario, name in (("alerts", "alerts"), ("alerts-routes", "alerts with routes")):
        yield f"{name}: fact to Slack, p99", Spec(scenario, "ms", 2000, most=True)
        yield f"{name}: level to Slack beyond one tick, max", Spec(scenario, "ms", 2000, most=True)
        yield f"{name}: not delivered", Spec(scenario, "alerts", 0, most=True)


def _memory() -> Iterator[tuple[str, Spec]]:
    yield "memory, 5 k accounts", Spec("steady-5k", "MB")
    yield "memory, 100 k accounts", Spec("steady-100k-uniform", "MB", 700, most=True)
    yield "memory, 1 M accounts", Spec("steady-1m-uniform", "MB", 2800, most=True)
    yield "state row, mean", Spec("steady-1m-zipf", "bytes")
    yield "changelog, 100 k accounts, uniform", Spec("steady-100k-uniform", "bytes/event")


def _workers() -> Iterator[tuple[str, Spec]]:
    for count in (1, 2, 4):
        yield f"{count} worker{'s' * (count > 1)}, 100 k accounts, uniform: CPU", Spec("workers", CPU)


def _parts() -> Iterator[tuple[str, Spec]]:
    for accounts in ("5 k accounts", "100 k accounts, uniform"):
        for part in PARTS:
            yield f"engine alone, {accounts}: {part}", Spec("parts", CPU)
        yield f"engine alone, {accounts}", Spec("parts", CPU)


def _peers() -> Iterator[tuple[str, Spec]]:
    yield "toy job, our transport", Spec("peer-own", PER_CORE)
    yield "toy job, our transport: CPU", Spec("peer-own", CPU)
    yield "toy job, our transport: memory", Spec("peer-own", "MB", 450, most=True)
    for scenario, name in PEERS.items():
        yield f"toy job, {name}", Spec(scenario, PER_CORE)
        yield f"toy job, {name}: CPU", Spec(scenario, CPU)
        yield f"toy job, {name}: memory", Spec(scenario, "MB")
        yield f"toy job, ours against {name}", Spec(scenario, "times", None if scenario in NO_BAR else 1)


CATALOGUE: Final[Mapping[str, Spec]] = dict(
    [*_steady(), *_parts(), *_recovery(), *_latency(), *_memory(), *_workers(), *_peers()]
)
