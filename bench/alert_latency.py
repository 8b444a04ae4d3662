"""From the event to the request at Slack, under load: the real worker and notifier as processes, a real Redis, a receiver that takes notes.

Facts (complaints) are measured from sending the event; levels (an urgent ticket that is old already) may wait for the next tick.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from aiohttp import web
from confluent_kafka import Producer

from bench.load import Load
from bench.produce import LiveFeed
from bench.steady import READY_S, finish
from bench.workers import Child, WorkerProcess, environment, until
from bench.world import PARTITIONS, Stage, World, load_start
from scoring.times import DAY, iso
from streams.partitioner import partition_of
from streams.servers.process import free_port
from streams.servers.redis import RedisServer

TICK_S: Final = 10
PROBES_PER_S: Final = 2
_SETTLE_S: Final = 5
_SLOW_MS: Final = 60_000

_ROUTES: Final = """
receivers:
  - {name: everyone, sink: slack, channel: "#health"}
  - {name: owner, sink: slack, channel: "{owner}"}
route:
  receiver: everyone
  group_wait: 0s
  routes:
    - matchers: ['severity="critical"', 'tier="high_touch"']
      receiver: owner
    - matchers: ['rule=~"complaint|urgent_ticket_ageing"']
      receiver: everyone
"""


class Slack:
    """A Slack that takes everything; `asked` has the time of the first request that names an account."""

    def __init__(self) -> None:
        self.asked: dict[str, float] = {}
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()

    async def _post(self, request: web.Request) -> web.Response:
        now, text = time.time(), await request.text()
        for word in text.replace('"', " ").replace("`", " ").split():
            if word.startswith("probe-"):
                self.asked.setdefault(word.rstrip("*,.;:()\\"), now)
        return web.json_response({"ok": True, "ts": f"{now:.6f}", "channel": "C1"})

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_post("/{method}", self._post)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self._up.set()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())

    @contextmanager
    def serving(self) -> Iterator[str]:
        """The address, while it answers, from a thread of its own."""
        thread = threading.Thread(target=self._run, name="slack", daemon=True)
        thread.start()
        if not self._up.wait(10):
            raise TimeoutError("the receiver did not come up")
        try:
            yield f"http://127.0.0.1:{self.port}/"
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(10)


def _probe(name: str, number: int, at_ms: int, **fields: object) -> bytes:
    event = {"type": "ticket", "event_id": f"probe{number}", "account_id": name, "ts": iso(at_ms), "action": "opened"}  # fmt: skip
    return json.dumps({**event, "ticket_id": "T", **fields}).encode()


def _send_probes(at: Stage, seconds: float) -> tuple[dict[str, float], dict[str, float]]:
    """Facts and levels at a steady pace; when each was sent."""
    facts: dict[str, float] = {}
    levels: dict[str, float] = {}
    producer = Producer({"bootstrap.servers": at.settings.kafka.bootstrap, "linger.ms": 5})
    topic, begin = at.settings.topic_prefix + "tickets", time.monotonic()
    while (passed := time.monotonic() - begin) < seconds:
        while len(facts) < passed * PROBES_PER_S:
            now, number = time.time(), len(facts)
            facts[f"probe-f{number}"] = levels[f"probe-l{number}"] = now
            ms = int(now * 1000)
            for name, value in (
                (f"probe-f{number}", _probe(f"probe-f{number}", number, ms, complaint=True)),
                (f"probe-l{number}", _probe(f"probe-l{number}", number, ms - 10 * DAY, priority="urgent")),
            ):
                key = name.encode()
                producer.produce(topic, value, key, partition_of(key, PARTITIONS))
        producer.poll(0)
        time.sleep(0.005)
    if producer.flush(30):
        raise TimeoutError("probes were not acknowledged")
    return facts, levels


def spread(sent: dict[str, float], asked: dict[str, float]) -> dict[str, float]:
    """99th percentile and largest in milliseconds, and how many never came."""
    took = np.array([(asked[name] - at) * 1000 for name, at in sent.items() if name in asked])
    missing = len(sent) - len(took)
    if not len(took):
        return {"missing": missing, "p99": _SLOW_MS, "max": _SLOW_MS}
    return {"missing": missing, "p99": float(np.percentile(took, 99)), "max": float(took.max())}


def _measure(world: World, scenario: str, routes: Path | None) -> dict[str, Any]:
    accounts, seconds, slack = world.size(10_000, 1_000), world.size(40, 15), Slack()
    with (
        world.stage(scenario, accounts, past_until=load_start(0), tick=TICK_S) as at,
        RedisServer() as redis,
        slack.serving() as url,
        WorkerProcess(at.settings, world.directory) as worker,
        Child(
            [sys.executable, "-m", "streams.cli.main", "notifier"],
            world.directory / f"{scenario}-notifier.log",
            env=environment(at.settings) | _notifier(redis.url, url, routes),
        ) as notifier,
    ):
        until([worker], PARTITIONS, READY_S, "live")
        load = Load(1_000 * 600, accounts, int(time.time() * 1000), 1_000)
        with LiveFeed(at.settings, load, at.fleet, at.tally):
            time.sleep(world.size(15, 8))
            facts, levels = _send_probes(at, seconds)
            time.sleep(TICK_S + _SETTLE_S)
        if not notifier.alive:
            raise RuntimeError(f"the notifier ended: {notifier.tail()}")
        until([worker], at.tally.events + len(facts) + len(levels), 60)
        notifier.process.terminate()
        notifier.process.wait(20)
        finish(world, scenario, at, [worker], others=True)
    return {"facts": spread(facts, slack.asked), "levels": spread(levels, slack.asked)}


def _notifier(redis: str, slack: str, routes: Path | None) -> dict[str, str]:
    values = {
        "REDIS__URL": redis, "SINKS__SLACK__TOKEN": "xoxb-bench", "SINKS__SLACK__CHANNEL": "C1",
        "SINKS__SLACK__BASE_URL": slack, "SINKS__SLACK__INTERVAL": "0",
    }  # fmt: skip
    values |= {"SINKS__ROUTES": str(routes)} if routes else {}
    return {f"ACCOUNTPULSE_{name}": value for name, value in values.items()}


def _put(world: World, name: str, took: dict[str, Any]) -> None:
    facts, levels = took["facts"], took["levels"]
    world.figures.add(
        {
            f"{name}: fact to Slack, p99": facts["p99"],
            f"{name}: level to Slack beyond one tick, max": levels["max"] - TICK_S * 1000,
            f"{name}: not delivered": facts["missing"] + levels["missing"],
        }
    )


def alerts(world: World) -> None:
    """Everything goes to the one channel."""
    _put(world, "alerts", _measure(world, "alerts", None))


def alerts_routes(world: World) -> None:
    """A routes file decides who hears of what."""
    routes = world.directory / "routes.yaml"
    routes.write_text(_ROUTES, "utf-8")
    _put(world, "alerts with routes", _measure(world, "alerts-routes", routes))
