"""`python -m bench.alert_latency`: from the event to the request at Slack, under 1,000 events a second on a real Kafka.

The real worker and notifier as processes, a real Redis, and a receiver that answers as chat.postMessage does and notes when it was
asked. Facts (complaints) are measured from sending the event; levels (an urgent ticket that is old already) may wait for the next tick.
Prints one JSON object; times in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
from aiohttp import web
from aiokafka import AIOKafkaProducer

from streams import topics
from streams.partitioner import partition_of
from streams.servers.kafka import KafkaServer
from streams.servers.process import free_port
from streams.servers.redis import RedisServer
from streams.settings import Kafka, Settings

PREFIX, PARTITIONS, ACCOUNTS = "latency.", 4, 1000
WARM_UP_S, FACTS_PER_S, LEVELS_PER_S = 20, 2, 2


@asynccontextmanager
async def receiver(asked: dict[str, float]) -> AsyncIterator[str]:
    """A Slack that takes everything; `asked` gets the time of the first request that names an account."""

    async def post(request: web.Request) -> web.Response:
        now, text = time.time(), await request.text()
        for name in {
            word for word in text.replace('"', " ").replace("`", " ").split() if word.startswith("probe-")
        }:
            asked.setdefault(name.rstrip("*,.;:()\\"), now)
        return web.json_response({"ok": True, "ts": f"{now:.6f}", "channel": "C1"})

    app = web.Application()
    app.router.add_post("/{method}", post)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        await runner.cleanup()


def event(kind: str, account: str, number: int, at: float, **fields: object) -> bytes:
    """An event as JSON; `at` in Unix seconds."""
    stamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps(
        {"type": kind, "event_id": f"e{number}", "account_id": account, "ts": stamp, **fields}
    ).encode()


async def feed(
    bootstrap: str, rate: int, seconds: int, tick: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Usage at `rate` a second for WARM_UP_S + seconds, with facts and levels after the warm-up; when each was sent."""
    facts: dict[str, float] = {}
    levels: dict[str, float] = {}
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5, acks="all")
    await producer.start()

    async def send(topic: str, account: str, value: bytes) -> None:
        key = account.encode()
        await producer.send(PREFIX + topic, value, key=key, partition=partition_of(key, PARTITIONS))

    begin, number = time.time(), 0
    last_probe = WARM_UP_S + seconds - tick - 5
    try:
        while (passed := time.time() - begin) < WARM_UP_S + seconds:
            while number < passed * rate:
                await send(
                    "usage",
                    f"a{number % ACCOUNTS}",
                    event("usage", f"a{number % ACCOUNTS}", number, time.time(), feature="x"),
                )
                number += 1
            if WARM_UP_S < passed < last_probe:
                while len(facts) < (passed - WARM_UP_S) * FACTS_PER_S:
                    name = f"probe-f{len(facts)}"
                    facts[name] = time.time()
                    await send(
                        "tickets",
                        name,
                        event(
                            "ticket",
                            name,
                            number,
                            facts[name],
                            action="opened",
                            ticket_id="T",
                            complaint=True,
                        ),
                    )
                while len(levels) < (passed - WARM_UP_S) * LEVELS_PER_S:
                    name = f"probe-l{len(levels)}"
                    levels[name] = time.time()
                    opened = levels[name] - 10 * 86_400
                    await send(
                        "tickets",
                        name,
                        event(
                            "ticket", name, number, opened, action="opened", ticket_id="T", priority="urgent"
                        ),
                    )
            await asyncio.sleep(0.005)
    finally:
        await producer.stop()
    return facts, levels


async def measure(rate: int, seconds: int, tick: int) -> dict[str, Any]:
    """The whole run."""
    asked: dict[str, float] = {}
    with KafkaServer() as kafka, RedisServer() as redis:
        settings = Settings(
            topic_prefix=PREFIX, kafka=Kafka(bootstrap=kafka.bootstrap, partitions=PARTITIONS)
        )
        await topics.create(settings)
        async with receiver(asked) as slack:
            env = os.environ | {
                "ACCOUNTPULSE_TOPIC_PREFIX": PREFIX, "ACCOUNTPULSE_KAFKA__BOOTSTRAP": kafka.bootstrap,
                "ACCOUNTPULSE_KAFKA__PARTITIONS": str(PARTITIONS), "ACCOUNTPULSE_ENGINE__TICK": str(tick),
                "ACCOUNTPULSE_REDIS__URL": redis.url, "ACCOUNTPULSE_PROBES__PORT": "0",
                "ACCOUNTPULSE_SINKS__SLACK__TOKEN": "xoxb-bench", "ACCOUNTPULSE_SINKS__SLACK__CHANNEL": "C1",
                "ACCOUNTPULSE_SINKS__SLACK__BASE_URL": slack, "ACCOUNTPULSE_SINKS__SLACK__INTERVAL": "0",
            }  # fmt: skip
            command = [sys.executable, "-m", "streams.cli.main"]
            roles = [
                subprocess.Popen([*command, role], env=env, stderr=subprocess.DEVNULL)  # noqa: ASYNC220 - returns at once
                for role in ("worker", "notifier")
            ]
            try:
                facts, levels = await feed(kafka.bootstrap, rate, seconds, tick)
                await asyncio.sleep(5)
            finally:
                for role in roles:
                    role.terminate()
                for role in roles:
                    role.wait(30)
    return {"rate": rate, "tick_s": tick, "facts": spread(facts, asked), "levels": spread(levels, asked)}


def spread(sent: dict[str, float], asked: dict[str, float]) -> dict[str, float]:
    """Median, 99th percentile and largest in milliseconds, and how many never came."""
    took = np.array([(asked[name] - at) * 1000 for name, at in sent.items() if name in asked])
    if not len(took):
        return {"sent": len(sent), "missing": len(sent)}
    p50, p99 = np.percentile(took, [50, 99])
    return {
        "sent": len(sent),
        "missing": len(sent) - len(took),
        "p50": round(p50),
        "p99": round(p99),
        "max": round(took.max()),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.alert_latency", description=__doc__)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--tick", type=int, default=10)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(measure(options.rate, options.seconds, options.tick))))


if __name__ == "__main__":
    main()
