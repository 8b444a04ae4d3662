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
TICKET = {"action": "opened", "ticket_id": "T"}


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


class Feed:
    """Usage at a steady rate, and probes beside it: events that have to become an alert, and when each was sent."""

    def __init__(self, producer: AIOKafkaProducer, rate: int) -> None:
        self._producer = producer
        self._rate = rate
        self._number = 0
        self.facts: dict[str, float] = {}
        self.levels: dict[str, float] = {}

    async def usage(self, passed: float) -> None:
        """What is due `passed` seconds after the beginning."""
        while self._number < passed * self._rate:
            await self._send("usage", "usage", f"a{self._number % ACCOUNTS}", time.time(), feature="x")

    async def probes(self, passed: float) -> None:
        """What is due `passed` seconds after the warm-up: complaints of now, urgent tickets of ten days ago."""
        while len(self.facts) < passed * FACTS_PER_S:
            name, now = f"probe-f{len(self.facts)}", time.time()
            self.facts[name] = now
            await self._send("tickets", "ticket", name, now, **TICKET, complaint=True)
        while len(self.levels) < passed * LEVELS_PER_S:
            name, now = f"probe-l{len(self.levels)}", time.time()
            self.levels[name] = now
            await self._send("tickets", "ticket", name, now - 10 * 86_400, **TICKET, priority="urgent")

    async def _send(self, topic: str, kind: str, account: str, at: float, **fields: object) -> None:
        value, key = event(kind, account, self._number, at, **fields), account.encode()
        self._number += topic == "usage"
        partition = partition_of(key, PARTITIONS)
        await self._producer.send(PREFIX + topic, value, key=key, partition=partition)


async def feed(
    bootstrap: str, rate: int, seconds: int, tick: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Usage at `rate` a second for WARM_UP_S + seconds, with facts and levels after the warm-up; when each was sent."""
    last_probe = WARM_UP_S + seconds - tick - 5
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5, acks="all") as producer:
        fed, begin = Feed(producer, rate), time.time()
        while (passed := time.time() - begin) < WARM_UP_S + seconds:
            await fed.usage(passed)
            if WARM_UP_S < passed < last_probe:
                await fed.probes(passed - WARM_UP_S)
            await asyncio.sleep(0.005)
    return fed.facts, fed.levels


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
