"""The product's roles as processes: started by the words that people type, asked by their probes, ended by a signal."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from streams.servers.process import free_port
from streams.settings import Settings
from tests.plumbing.worker_group import ROOT, Child


def environment_of(settings: Settings, **more: object) -> dict[str, str]:
    """The environment of a process with the servers, topics and keys of these settings, and `more` by name."""
    values = {
        "TOPIC_PREFIX": settings.topic_prefix,
        "KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "KAFKA__GROUP": settings.topic_prefix,
        "KAFKA__PARTITIONS": settings.kafka.partitions,
        "REDIS__URL": settings.redis.url,
        "REDIS__PREFIX": settings.redis.prefix,
        "PROBES__HOST": "127.0.0.1",
        "PROBES__PORT": 0,
    } | more
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ACCOUNTPULSE_")}
    return kept | {"PYTHONPATH": str(ROOT)} | {f"ACCOUNTPULSE_{k}": str(v) for k, v in values.items()}


def call(*words: str) -> list[str]:
    return [sys.executable, "-m", "streams.cli.main", *words]


def typed(
    words: list[str], environment: Mapping[str, str], directory: Path
) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return subprocess.run(
        call(*words), env=environment, cwd=directory, capture_output=True, text=True, timeout=120, check=False
    )


@contextlib.contextmanager
def role(words: list[str], environment: Mapping[str, str], directory: Path) -> Iterator[Child]:
    """A role with probes of its own; killed at the end if it is still there. What it prints is in its log."""
    port = free_port()
    log = directory / f"{'-'.join(words).replace('/', '_')}-{port}.log"
    own = {**environment, "ACCOUNTPULSE_PROBES__PORT": str(port)}
    with log.open("wb") as file:
        process = subprocess.Popen(call(*words), env=own, cwd=directory, stdout=file, stderr=file)
    try:
        yield Child(process, port, log)
    finally:
        process.kill()
        process.wait()


async def ended(child: Child) -> int:
    """Exit code after SIGTERM."""
    child.process.send_signal(signal.SIGTERM)
    return await asyncio.to_thread(child.process.wait, 20)


def samples(child: Child, name: str, **labels: str) -> list[float]:
    """The values of a metric of a role, with these labels."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    lines = child.get("/metrics")[1].splitlines()
    found = [line for line in lines if line.startswith((f"{name}{{", f"{name} "))]
    return [float(line.rsplit(" ", 1)[1]) for line in found if all(each in line for each in wanted)]


def total(child: Child, name: str, **labels: str) -> float:
    """Their sum."""
    return sum(samples(child, name, **labels))


def is_ready(child: Child) -> bool:
    return child.get("/ready")[0] == 200
