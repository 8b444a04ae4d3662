"""A plan past one machine, computed from measured figures: partitions, workers, brokers, memory, changelog, first bottleneck."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

from bench.skew import skew, takeover

BUSY: Final = 0.6
"""Share of a core that a worker is planned for: the rest catches up after a takeover."""
FULL: Final = 0.9
"""Share of a core that the worker with the busiest partition may use."""
WORKER_GB: Final = 16.0
"""Memory of a worker at most: above it recovery takes too long."""
BROKER_MB_S: Final = 100.0
"""What a broker is planned to write in a second, replicas included."""
REPLICAS: Final = 3
EVENT_BYTES: Final = 60.0
"""An event of the load on a broker's disk, compressed in batches."""
PER_WORKER: Final = 4
"""Partitions for each worker: so many workers can be added before keys would have to move."""
FIXED_S: Final = 3.0
SIZES: Final = (
    (10_000, 1_000),
    (10_000, 1_000_000),
    (1_000_000, 20_000),
    (1_000_000, 1_000_000),
    (100_000_000, 1_000_000),
)
"""Accounts and events a second."""


class Units(NamedTuple):
    """What one of each costs."""

    event_us: Mapping[int, float]
    """CPU of an event, by accounts of one worker."""
    base_mb: float
    account_bytes: float
    row_bytes: float
    """Of a changelog row before compression."""
    written_bytes: float
    """Of changelog, per event, on disk, where every event changes another row."""
    rows_per_s: float


class Plan(NamedTuple):
    """What a size needs."""

    accounts: int
    rate: int
    workers: int
    partitions: int
    brokers: int
    memory_gb: float
    state_gb: float
    written_mb_s: float
    takeover_s: float
    bottleneck: str


def units(figures: Mapping[str, Any]) -> Units:
    """Per-unit figures of a run. Raises KeyError naming the first that was not measured."""

    def value(name: str) -> float:
        found = figures.get(name, {}).get("value")
        if found is None:
            raise KeyError(name)
        return float(found)

    small, large = value("memory, 5 k accounts"), value("memory, 1 M accounts")
    return Units(
        {
            5_000: value("steady, 5 k accounts: CPU"),
            100_000: value("steady, 100 k accounts, uniform, 1 s commits: CPU"),
            1_000_000: value("steady, 1 M accounts, uniform: CPU"),
        },
        small,
        large - small,  # MB of a million accounts: bytes of one
        value("state row, mean"),
        value("changelog, 100 k accounts, uniform"),
        value("recovery: rows into live state"),
    )


def event_us(found: Units, accounts: float) -> float:
    """CPU of an event on a worker with so many accounts: between the sizes measured, by the logarithm."""
    sizes = sorted(found.event_us)
    if accounts <= sizes[0]:
        return found.event_us[sizes[0]]
    for low, high in pairwise(sizes):
        if accounts <= high:
            share = math.log(accounts / low) / math.log(high / low)
            return found.event_us[low] + share * (found.event_us[high] - found.event_us[low])
    return found.event_us[sizes[-1]]


def plan(accounts: int, rate: int, found: Units, *, seed: int = 1) -> Plan:
    """What a size needs, and what would be exhausted first."""
    memory_gb = accounts * found.account_bytes / 1e9
    for_memory = math.ceil(memory_gb / WORKER_GB)
    workers, hottest = _workers(accounts, rate, found, for_memory, seed)
    partitions = _partitions(workers)
    written = (
        min(rate, accounts) * found.written_bytes + rate * EVENT_BYTES
    )  # a commit a second: a row at most once
    brokers = math.ceil(written * REPLICAS / 1e6 / BROKER_MB_S)
    fewest = max(1, for_memory)
    cores = rate * event_us(found, accounts / fewest) / 1e6  # what makes workers more than these
    skewed = workers > max(fewest, math.ceil(cores / BUSY))
    return Plan(
        accounts, rate, workers, partitions, max(brokers, REPLICAS) if workers > 1 else 1,
        memory_gb + workers * found.base_mb / 1e3, accounts * found.row_bytes / 1e9, written / 1e6,
        _takeover_s(accounts, partitions, workers, found), _bottleneck(cores, for_memory, hottest, brokers, skewed=skewed),
    )  # fmt: skip


def _partitions(workers: int) -> int:
    return max(4, 1 << math.ceil(math.log2(workers * PER_WORKER)))


def _workers(accounts: int, rate: int, found: Units, least: int, seed: int) -> tuple[int, float]:
    """How many workers, and the cores that the busiest partition takes: more workers do not help that one."""
    workers = max(1, least)
    while True:  # more workers have fewer accounts each, and so cheaper events
        partitions = _partitions(workers)
        cores = rate * event_us(found, accounts / workers) / 1e6
        busiest = skew(accounts, partitions, seed=seed, trials=1).busiest
        hottest = busiest / partitions * cores
        worst = (busiest + partitions / workers - 1) / partitions * cores
        if cores / workers <= BUSY and (worst <= FULL or hottest > FULL):
            return workers, hottest
        workers = max(workers + 1, math.ceil(cores / BUSY) if cores / workers > BUSY else workers * 5 // 4)


def _takeover_s(accounts: int, partitions: int, workers: int, found: Units) -> float:
    if workers < 2:
        return FIXED_S + accounts / found.rows_per_s
    lost = takeover(accounts, partitions, workers, rows_per_s=found.rows_per_s, fixed_s=FIXED_S, trials=5)
    return lost.seconds


def _bottleneck(cores: float, for_memory: int, hottest: float, brokers: int, *, skewed: bool) -> str:
    """What is used up first as the size grows; `skewed`: there are workers only so that one has little but that partition."""
    if hottest > FULL or skewed:
        return f"the partition of the busiest account: {hottest:.1f} cores"
    if max(cores / BUSY, for_memory, brokers) <= 1:
        return "none: one worker"
    if for_memory >= cores / BUSY:
        return "memory of the workers"
    return "CPU of the workers" if cores / BUSY >= brokers else "what the brokers write"


def table(figures: Mapping[str, Any]) -> str:
    """The plan as a table in Markdown, or why there is none."""
    try:
        found = units(figures)
    except KeyError as missing:
        return f"Not computed: the last run did not measure {missing}.\n"
    head = (
        "| accounts | events/s | workers | partitions | brokers | memory | `state`, uncompressed | written | a worker leaves | first bottleneck |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n"
    )
    rows = [plan(accounts, rate, found) for accounts, rate in SIZES]
    return head + "".join(
        f"| {p.accounts:,} | {p.rate:,} | {p.workers:,} | {p.partitions:,} | {p.brokers} | {p.memory_gb:,.1f} GB | {p.state_gb:,.2f} GB "
        f"| {p.written_mb_s:,.1f} MB/s | {p.takeover_s:,.0f} s | {p.bottleneck} |\n"
        for p in rows
    )
