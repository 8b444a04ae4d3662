"""`python -m bench`: the product, the raw client and idiomatic Faust on the same topics of one real Kafka, in one run.

Writes bench/results/latest.json and prints it as a table. Needs a quiet machine; every figure is CPU per event, so two runs on the same
machine compare, and the ratios compare anywhere.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.load import messages
from bench.measure import Window, scrape, watch
from bench.topics import fill, wrong_accounts
from streams import topics
from streams.servers.kafka import KafkaServer
from streams.servers.process import free_port
from streams.settings import Kafka, Settings

RESULTS = Path(__file__).parent / "results" / "latest.json"
Figure = dict[str, Any]


def product(settings: Settings, total: int) -> Window:
    """The whole worker: decode, fold, score, rules, rows and scores durable through the fence, offsets committed each second."""
    port = free_port()
    env = {
        **os.environ,
        "ACCOUNTPULSE_TOPIC_PREFIX": settings.topic_prefix,
        "ACCOUNTPULSE_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "ACCOUNTPULSE_KAFKA__GROUP": settings.kafka.group,
        "ACCOUNTPULSE_PROBES__PORT": str(port),
    }
    worker = subprocess.Popen(
        [sys.executable, "-m", "streams.cli.main", "worker"], env=env, stderr=subprocess.DEVNULL
    )
    try:
        window = watch(worker.pid, lambda: scrape(port, "accountpulse_events_total"), total)
        deadline = time.monotonic() + 60
        while scrape(port, "accountpulse_uncommitted_records") > 0 and time.monotonic() < deadline:
            time.sleep(0.2)
        return window
    finally:
        worker.terminate()
        worker.wait(30)


def child(module: str, *arguments: str) -> dict[str, float]:
    """Run a baseline in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, timeout=600, check=False
    )
    try:
        result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise RuntimeError(f"{module} failed: {done.stderr[-2000:]}") from None
    return result


def main() -> None:
    """Run everything and report."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--accounts", type=int, default=5_000)
    options = parser.parse_args()
    figures: dict[str, Figure] = {}
    with KafkaServer(heap_mb=1024) as kafka:
        settings = Settings(topic_prefix="bench.", kafka=Kafka(bootstrap=kafka.bootstrap, group="bench"))
        asyncio.run(topics.create(settings))
        start = int(time.time() * 1000) - options.events // 350
        total, units = fill(settings, messages(options.events, options.accounts, start, 350_000))
        common = (settings.kafka.bootstrap, settings.topic_prefix, str(settings.kafka.partitions))
        steps: list[tuple[str, Callable[[], float]]] = [
            ("raw client, whole batches", lambda: child("bench.raw", *common, str(total), "nothing")["us"]),
            (
                "raw client, whole batches + decode",
                lambda: child("bench.raw", *common, str(total), "decode")["us"],
            ),
        ]
        for name, step in steps:
            figures[name] = {"value": round(step(), 2), "unit": "us/event", "bar": None, "ok": True}
        window = product(settings, total)
        idiomatic = _idiomatic(settings, common)
        wrong = wrong_accounts(settings, units)
    _judge(figures, window, idiomatic, wrong, options.accounts)
    _report(figures, options)


def _idiomatic(settings: Settings, common: tuple[str, ...]) -> float:
    changelog = f"{settings.topic_prefix}idiomatic-accounts-changelog"
    subprocess.run([sys.executable, "-m", "bench.changelog", common[0], changelog, common[2]], check=True)
    return child("bench.idiomatic", *common, "40000")["us"]


def _judge(figures: dict[str, Figure], window: Window, idiomatic: float, wrong: int, accounts: int) -> None:
    decode = figures["raw client, whole batches + decode"]["value"]

    def put(name: str, value: float, unit: str, bar: float | None, *, least: bool = True) -> None:
        ok = bar is None or (value >= bar if least else value <= bar)
        figures[name] = {"value": round(value, 2), "unit": unit, "bar": bar, "ok": ok}

    put(f"product, {accounts} accounts", window.us, "us/event", None)
    put(f"product, {accounts} accounts, per core", window.per_core, "events/s", 330_000)
    put("idiomatic Faust, toy job", idiomatic, "us/event", None)
    put("product against idiomatic Faust", idiomatic / window.us, "times", 50)
    put("product against raw client + decode", decode / window.us * 100, "%", 30)
    put("product, events per wall second", window.events / window.wall, "events/s", None)
    put("product, memory", window.rss / 2**20, "MiB", 450, least=False)
    put("accounts that differ from the recount", wrong, "accounts", 0, least=False)


def _report(figures: dict[str, Figure], options: argparse.Namespace) -> None:
    packages = ("aiokafka", "faust-streaming", "msgspec", "numpy")
    result = {
        "machine": {"cpu": _cpu_name(), "cores": os.cpu_count(), "system": platform.platform()},
        "versions": {
            "python": platform.python_version(),
            "kafka": "4.0.0",
            **{p: version(p) for p in packages},
        },
        "load": {
            "events": options.events,
            "accounts": options.accounts,
            "bytes": 150,
            "topics": 6,
            "partitions": 4,
        },
        "figures": figures,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    table = Table("figure", "value", "unit", "bar", "")
    for name, figure in figures.items():
        bar = "" if figure["bar"] is None else f"{figure['bar']:,}"
        table.add_row(name, f"{figure['value']:,}", figure["unit"], bar, "ok" if figure["ok"] else "missed")
    Console().print(table)


def _cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )


if __name__ == "__main__":
    main()
