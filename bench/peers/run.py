"""Each peer as a scenario: the toy job on the topics of the product's run, in a process of its own, its state checked at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from bench.catalogue import PEERS
from bench.jobs import JobError, Result, run_job
from bench.peers import java
from bench.peers.own import decode_row
from bench.recount import WrongResultError, read
from bench.workers import ROOT, catch_up, rest, running, stop
from bench.world import PARTITIONS, Stage, World, input_topics

PYTHON_PEERS: Final[Mapping[str, tuple[str, ...]]] = {
    "bytewax": ("bytewax==0.21.1", "confluent-kafka==2.6.1"),
    "quix": ("quixstreams==3.28.1",),
    "pathway": ("pathway==0.33.0",),
}
"""What the environment of each peer has beside msgspec."""
PREPARE_S: Final = 420.0
RUN_S: Final = 150.0
ROUNDS: Final = 2
"""Of the Java peers in one process; the second is warm and counts, the first is noted."""


def own(world: World) -> None:
    """Our own transport."""
    at = world.mix()
    settings = world.settings("mix", group="toy")
    world.fresh_outputs(settings)
    with running(settings, world.directory, module="bench.peers.own") as [worker]:
        window = catch_up([worker], at.tally.events)
        rest([worker])
        peak = worker.peak_bytes() / 1e6
        stop([worker])
    world.figures.load["peer-own"] = _recount(world, at)
    name = "toy job, our transport"
    world.figures.add({name: window.per_core, f"{name}: CPU": window.us, f"{name}: memory": peak})


def _recount(world: World, at: Stage) -> dict[str, int]:
    """The rows of the toy job against what was produced."""
    rows = {r.key: decode_row(r.value) for p in range(PARTITIONS) for r in read(at.settings, "state", p)}
    units = np.zeros_like(at.tally.units)
    for key, row in rows.items():
        units[int(key[5:])] = row["units"]
    events = sum(int(row["events"]) for row in rows.values())
    if events != at.tally.events or (units != at.tally.units).any():
        raise WrongResultError(f"the toy job holds {events} of {at.tally.events} events")
    return {"events": events, "accounts": len(rows), "wrong": 0}


def _put(world: World, scenario: str, found: Sequence[Result], total: int, units: int | None) -> None:
    """Check what the state held in the end, then record. Raises WrongResultError."""
    last = found[-1]
    if last["state_events"] != total or (units is not None and last["state_units"] != units):
        raise WrongResultError(
            f"its state holds {last['state_events']} of {total} events, {last['state_units']} of {units} units"
        )
    name = f"toy job, {PEERS[scenario]}"
    world.figures.load[scenario] = {"events": total, "accounts": last["accounts"]} | (
        {"cold us/event": round(found[0]["us"], 3)} if len(found) > 1 else {}
    )
    world.figures.add(
        {name: 1e6 / last["us"], f"{name}: CPU": last["us"], f"{name}: memory": last["rss"] / 1e6}
    )


def _arguments(world: World, at: Stage, total: int, folder: str) -> list[str]:
    directory = world.directory / folder
    topics = ",".join(input_topics(at.settings))
    return [at.settings.kafka.bootstrap, topics, str(PARTITIONS), str(total), str(directory)]


def faust(world: World) -> None:
    """Idiomatic Faust, in our own environment; a small part of the events, as it takes 0.2 to 1 ms for each."""
    at, total = world.mix(), world.size(40_000, 5_000)
    command = [sys.executable, "-m", "bench.peers.faust_job", *_arguments(world, at, total, "faust")]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    _put(
        world,
        "peer-faust",
        run_job(command, world.directory / "peer-faust.log", env, RUN_S),
        total,
        units=None,
    )


def _uv() -> str:
    found = shutil.which("uv") or str(ROOT / ".run/uv/bin/uv")
    if not Path(found).exists():
        raise JobError("uv, which makes the environments of the peers, is not there")
    return found


def _python(world: World, peer: str, total: int, units: int | None) -> None:
    """A Python peer in an environment of its own, since its dependencies and ours would not agree."""
    at, scenario = world.mix(), f"peer-{peer}"
    packages = [word for package in (*PYTHON_PEERS[peer], "msgspec>=0.19") for word in ("--with", package)]
    base = [_uv(), "run", "--isolated", "--no-project", "--quiet", "--python", sys.executable, *packages]
    env = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    ready = _prepare([*base, "python", "-c", "pass"], env)
    if ready:
        raise JobError(f"its environment cannot be made: {ready}")
    job = [*base, "python", str(ROOT / f"bench/peers/{peer}_job.py"), *_arguments(world, at, total, peer)]
    found = run_job(job, world.directory / f"{scenario}.log", env, RUN_S)
    world.figures.versions[peer] = PYTHON_PEERS[peer][0].partition("==")[2]
    _put(world, scenario, found, total, units)


def _prepare(command: Sequence[str], env: Mapping[str, str]) -> str:
    """Why the command failed, the last line of what it said; empty if it did not."""
    try:
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=PREPARE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not done after {PREPARE_S:.0f} s"
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no reason given"])[-1][:300]


def bytewax(world: World) -> None:
    """Bytewax, `stateful_batch`."""
    tally = world.mix().tally
    _python(world, "bytewax", tally.events, int(tally.units.sum()))


def quix(world: World) -> None:
    """Quix Streams; a part of the usage events, as a streaming dataframe reads one topic."""
    _python(world, "quix", world.size(300_000, 20_000), None)


def pathway(world: World) -> None:
    """Pathway."""
    tally = world.mix().tally
    _python(world, "pathway", tally.events, int(tally.units.sum()))


def _java(
    world: World, scenario: str, main: str, others: Sequence[str], artifacts: Sequence[str], kind: str, heap_mb: int
) -> None:  # fmt: skip
    at = world.mix()
    classes = world.directory / f"classes-{main}"
    class_path = java.compiled([main, *others], artifacts, classes)
    topics = ",".join(input_topics(at.settings))
    state = world.directory / f"{scenario}-state"
    arguments = [at.settings.kafka.bootstrap, topics, str(at.tally.events), kind, str(state), str(ROUNDS)]
    command = java.command(main, class_path, heap_mb, [*arguments, str(int(RUN_S / ROUNDS))])
    began = time.monotonic()
    found = run_job(command, world.directory / f"{scenario}.log", dict(os.environ), RUN_S + 30)
    if len(found) != ROUNDS:
        raise JobError(f"{len(found)} of {ROUNDS} rounds after {time.monotonic() - began:.0f} s")
    world.figures.versions[artifacts[0].split(":")[1]] = artifacts[0].split(":")[2]
    _put(world, scenario, found, at.tally.events, int(at.tally.units.sum()))


def _streams(kind: str) -> Callable[[World], None]:
    def run(world: World) -> None:
        _java(world, f"peer-streams-{kind}", "StreamsJob", ["ObjectStore"], java.STREAMS, kind, heap_mb=1024)

    run.__doc__ = f"Kafka Streams, store: {kind}."
    return run


streams_rocksdb = _streams("rocksdb")
streams_memory = _streams("memory")
streams_objects = _streams("objects")


def flink(world: World) -> None:
    """Flink in its MiniCluster."""
    _java(world, "peer-flink", "FlinkJob", [], java.FLINK, "hashmap", heap_mb=1500)
