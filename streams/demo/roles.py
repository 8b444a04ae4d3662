"""The processes of the demo: a broker, a Redis if there is one, the real worker and the real notifier."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx

from scoring.times import DAY, HOUR
from streams import topics
from streams.servers.embedded import EmbeddedKafka
from streams.servers.kafka import KafkaServer
from streams.servers.process import ServerProcess, ServerUnavailableError, free_port
from streams.servers.redis import RedisServer
from streams.settings import Engine, Kafka, Redis, Settings, Sinks

T = TypeVar("T")
READY_S: Final = 40.0
IDLE_S: Final = 2.5


@dataclass(frozen=True)
class Plan:
    """What to start: the grid in milliseconds, partitions per topic, and whether on a real Kafka."""

    tick_ms: int
    days: int
    partitions: int = 1
    real_kafka: bool = False


class Roles:
    """Starts everything, ends everything; use as an asynchronous context manager.

    Raises ServerUnavailableError, with the end of the log, if a part does not come up.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.settings = _settings(plan, "", None)
        self.notifications: Path | None = None
        """The notifier's output; None without a Redis, which its delivery log needs."""
        self.metrics = ""
        """Where the worker tells its figures."""
        self._stack = AsyncExitStack()
        self._processes: dict[str, ServerProcess] = {}

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def fault(self) -> str | None:
        """What a role that ended by itself said last; None while all run."""
        for name, process in self._processes.items():
            if not process.alive:
                return f"the {name} ended: {process.log.read_text('utf-8', errors='replace')[-1000:]}"
        return None

    async def _start(self) -> None:
        directory = Path(tempfile.mkdtemp(prefix="accountpulse-demo-"))
        self._stack.callback(shutil.rmtree, directory, ignore_errors=True)
        redis = await _in_thread(self._redis)
        self.settings = _settings(self.plan, await self._kafka(), redis)
        roles = ["worker"] if redis is None else ["worker", "notifier"]
        await asyncio.gather(*(self._role(name, directory) for name in roles))
        if redis is not None:
            self.notifications = directory / "notifier.log"

    def _redis(self) -> str | None:
        with suppress(ServerUnavailableError):
            server = RedisServer()
            self._stack.callback(server.close)
            server.start()
            return server.url
        return None

    async def _kafka(self) -> str:
        if self.plan.real_kafka:
            server = KafkaServer()
            self._stack.callback(server.close)
            await _in_thread(server.start)
            await topics.create(_settings(self.plan, server.bootstrap, None))
            return server.bootstrap
        names = topics.topic_specs(self.settings)
        embedded = EmbeddedKafka({spec.name: spec.partitions for spec in names})
        self._stack.callback(embedded.close)
        await _in_thread(embedded.start)
        return embedded.bootstrap

    async def _role(self, name: str, directory: Path) -> None:
        port = free_port()
        process = ServerProcess(_command(name, self.settings, port), directory / f"{name}.log")
        self._stack.callback(process.kill)  # its state is worth nothing to anybody
        await _in_thread(lambda: process.start(lambda: _is_ready(port), timeout=READY_S))
        self._processes[name] = process
        if name == "worker":
            self.metrics = f"http://127.0.0.1:{port}/metrics"


async def _in_thread(work: Callable[[], T]) -> T:
    """The result of work in a thread. When cancelled, it ends first: nothing is left that started meanwhile."""
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        with suppress(Exception):
            await future
        raise


def _settings(plan: Plan, bootstrap: str, redis: str | None) -> Settings:
    """The demo's own settings: nothing of the environment, which may name a production broker."""
    engine = Engine(
        tick=plan.tick_ms // 1000,
        idle=IDLE_S,
        commit_interval=0.5,
        score_interval=0.2,
        cold_start_hours=(plan.days + 2) * DAY / HOUR,
    )
    return Settings.model_construct(
        topic_prefix="accountpulse.",
        log_format="json",
        log_level="warning",
        kafka=Kafka(bootstrap=bootstrap, partitions=plan.partitions),
        redis=Redis() if redis is None else Redis(url=redis),
        engine=engine,
        sinks=Sinks(stdout=True),
    )


def _command(role: str, settings: Settings, port: int) -> list[str]:
    """The command of a role, in an environment that holds these settings and nothing else."""
    kafka, engine = settings.kafka, settings.engine
    told = {
        "KAFKA__BOOTSTRAP": kafka.bootstrap,
        "KAFKA__PARTITIONS": kafka.partitions,
        "REDIS__URL": settings.redis.url,
        "ENGINE__TICK": engine.tick,
        "ENGINE__IDLE": engine.idle,
        "ENGINE__COMMIT_INTERVAL": engine.commit_interval,
        "ENGINE__SCORE_INTERVAL": engine.score_interval,
        "ENGINE__COLD_START_HOURS": engine.cold_start_hours,
        "SINKS__STDOUT": "true",
        "LOG_LEVEL": settings.log_level,
        "PROBES__HOST": "127.0.0.1",
        "PROBES__PORT": port,
    }
    variables = [f"ACCOUNTPULSE_{name}={value}" for name, value in told.items()]
    path = f"PYTHONPATH={os.pathsep.join(sys.path)}"
    env = shutil.which("env") or "/usr/bin/env"
    return [env, "-i", path, "PYTHONUTF8=1", *variables, sys.executable, "-m", "streams.cli.main", role]


def _is_ready(port: int) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/ready", timeout=1, trust_env=False).status_code == 200
    return False
