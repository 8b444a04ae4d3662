"""What a run consists of, in its order, and how one part of it is kept from holding up or spoiling the others."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Final, NamedTuple

from bench import alert_latency, latency, steady
from bench.catalogue import CATALOGUE
from bench.parts import parts
from bench.peers import run as peers
from bench.raw import raw
from bench.restart import restart
from bench.takeover import takeover
from bench.tick import tick
from bench.workers_cost import workers
from bench.world import World


class Scenario(NamedTuple):
    """One part of a run."""

    run: Callable[[World], None]
    deadline_s: float
    """After so long it is given up, whatever it does."""


_PEER_S: Final = 200.0
_FETCHED_S: Final = 600.0
"""The first time, environments and jars of peers are downloaded."""

SCENARIOS: Final[Mapping[str, Scenario]] = {
    "raw": Scenario(raw, 150),
    "steady-5k": Scenario(steady.steady_5k, 150),
    "parts": Scenario(parts, 200),
    "peer-own": Scenario(peers.own, _PEER_S),
    "peer-faust": Scenario(peers.faust, _PEER_S),
    "peer-bytewax": Scenario(peers.bytewax, _FETCHED_S),
    "peer-quix": Scenario(peers.quix, _FETCHED_S),
    "peer-pathway": Scenario(peers.pathway, _FETCHED_S),
    "peer-streams-rocksdb": Scenario(peers.streams_rocksdb, _FETCHED_S),
    "peer-streams-memory": Scenario(peers.streams_memory, _PEER_S),
    "peer-streams-objects": Scenario(peers.streams_objects, _PEER_S),
    "peer-flink": Scenario(peers.flink, _FETCHED_S),
    "backlog": Scenario(steady.backlog, 200),
    "steady-100k-zipf": Scenario(steady.steady_100k_zipf, 200),
    "steady-100k-uniform": Scenario(steady.steady_100k_uniform, 200),
    "workers": Scenario(workers, 300),
    "takeover": Scenario(takeover, 200),
    "restart": Scenario(restart, 300),
    "latency-1k": Scenario(latency.latency_1k, 200),
    "latency-50k": Scenario(latency.latency_50k, 200),
    "alerts": Scenario(alert_latency.alerts, 200),
    "alerts-routes": Scenario(alert_latency.alerts_routes, 200),
    "steady-1m-zipf": Scenario(steady.steady_1m_zipf, 360),
    "steady-1m-uniform": Scenario(steady.steady_1m_uniform, 480),
    "tick": Scenario(tick, 900),
}


def chosen(names: Sequence[str]) -> list[str]:
    """The scenarios whose names begin with one of these, all for none. Raises ValueError for a name that fits none."""
    for name in names:
        if not any(scenario.startswith(name) for scenario in SCENARIOS):
            raise ValueError(f"no scenario {name}: there are {', '.join(SCENARIOS)}")
    return [scenario for scenario in SCENARIOS if not names or scenario.startswith(tuple(names))]


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in the main thread after so many seconds."""

    def strike(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"given up after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def perform(world: World, name: str, say: Callable[[str], None]) -> None:
    """Run one scenario; one that fails, or whose result is wrong, leaves the reason in place of its figures."""
    scenario, began = SCENARIOS[name], time.monotonic()
    try:
        with deadline(scenario.deadline_s):
            scenario.run(world)
    except Exception as error:  # noqa: BLE001 - the others shall run whatever it is
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:800]
        world.figures.miss(name, reason)
    say(f"{name}: {time.monotonic() - began:.0f} s")


def unmeasured() -> set[str]:
    """Figures of the catalogue that no scenario gives."""
    return {name for name, spec in CATALOGUE.items() if spec.scenario not in SCENARIOS}
