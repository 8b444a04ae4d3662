"""The broker inside the confluent-kafka wheel (librdkafka's mock cluster): the real protocol, no download.

It keeps everything in memory (about 5 MB a partition) and knows no CreateTopics, no compaction and no fencing
of producer epochs: good for a demo and for injected faults, no proof of exactness. As a process of its own,

    python -m streams.servers.embedded 1 accountpulse.usage:4 ...

it runs that many brokers, prints their bootstrap addresses and then obeys lines on its input until that is closed:
`topic NAME PARTITIONS`, `down`, `up`, `rtt MILLISECONDS`, `errors API-KEY CODE ...` (answers to the next requests),
`leader TOPIC PARTITION BROKER`, `coordinator GROUP BROKER`.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from streams.servers.process import ServerUnavailableError

_SIGNATURES: Final[Mapping[str, tuple[Any, tuple[Any, ...]]]] = {
    "rd_kafka_conf_new": (ctypes.c_void_p, ()),
    "rd_kafka_conf_set": (
        ctypes.c_int,
        (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t),
    ),
    "rd_kafka_new": (ctypes.c_void_p, (ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)),
    "rd_kafka_mock_cluster_new": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_int)),
    "rd_kafka_mock_cluster_bootstraps": (ctypes.c_char_p, (ctypes.c_void_p,)),
    "rd_kafka_mock_topic_create": (
        ctypes.c_int,
        (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int),
    ),
    "rd_kafka_mock_set_controller_id": (ctypes.c_int, (ctypes.c_void_p, ctypes.c_int32)),
    "rd_kafka_mock_broker_set_down": (ctypes.c_int, (ctypes.c_void_p, ctypes.c_int32)),
    "rd_kafka_mock_broker_set_up": (ctypes.c_int, (ctypes.c_void_p, ctypes.c_int32)),
    "rd_kafka_mock_broker_set_rtt": (ctypes.c_int, (ctypes.c_void_p, ctypes.c_int32, ctypes.c_int)),
    "rd_kafka_mock_push_request_errors_array": (
        None,
        (ctypes.c_void_p, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int)),
    ),
    "rd_kafka_mock_partition_set_leader": (
        ctypes.c_int,
        (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int32),
    ),
    "rd_kafka_mock_coordinator_set": (
        ctypes.c_int,
        (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int32),
    ),
}


class EmbeddedKafka:
    """The embedded broker as a child process that ends with its parent; use as a context manager.

    `topics` maps names to partition counts. Calls return when the broker has done what they ask.
    """

    def __init__(self, topics: Mapping[str, int] | None = None, brokers: int = 1) -> None:
        self._topics = dict(topics or {})
        self._brokers = brokers
        self._process: subprocess.Popen[str] | None = None
        self.bootstrap = ""

    def start(self) -> None:
        """Start; `bootstrap` is known afterwards. Raises ServerUnavailableError naming what is missing."""
        words = [f"{name}:{partitions}" for name, partitions in self._topics.items()]
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "streams.servers.embedded", str(self._brokers), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the parent, which closes our input
        )
        self.bootstrap = self._answer()

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic. Raises ServerUnavailableError if the broker refuses."""
        self._ask(f"topic {name} {partitions}")

    def down(self) -> None:
        """Refuse and drop all connections."""
        self._ask("down")

    def up(self) -> None:
        """Accept connections again."""
        self._ask("up")

    def round_trip(self, milliseconds: int) -> None:
        """Delay every answer."""
        self._ask(f"rtt {milliseconds}")

    def fail(self, api_key: int, *codes: int) -> None:
        """Answer the next requests of a kind with these error codes, one each."""
        self._ask(f"errors {api_key} {' '.join(map(str, codes))}")

    def lead(self, topic: str, partition: int, broker: int) -> None:
        """Make a broker, counted from 1, the leader of a partition."""
        self._ask(f"leader {topic} {partition} {broker}")

    def coordinate(self, group: str, broker: int) -> None:
        """Make a broker, counted from 1, the coordinator of a group."""
        self._ask(f"coordinator {group} {broker}")

    def close(self) -> None:
        """End the broker; its data is gone."""
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def _ask(self, line: str) -> None:
        if self._process is None or self._process.stdin is None:
            raise ServerUnavailableError("the embedded broker is not running")
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> str:
        line = self._process.stdout.readline() if self._process and self._process.stdout else ""
        status, _, text = line.strip().partition(" ")
        if status != "ok":
            self.close()
            raise ServerUnavailableError(f"embedded broker: {text or 'ended without an answer'}")
        return text

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _MockCluster:
    """librdkafka's mock cluster through its C interface."""

    def __init__(self, brokers: int) -> None:
        self._lib = _library()
        self._ids = range(1, brokers + 1)
        reason = ctypes.create_string_buffer(512)
        config = self._lib.rd_kafka_conf_new()
        # this client is only the cluster's host: that it has no address itself is not worth a warning
        self._lib.rd_kafka_conf_set(config, b"log_level", b"4", reason, len(reason))
        handle = self._lib.rd_kafka_new(0, config, reason, len(reason))
        self._cluster = handle and self._lib.rd_kafka_mock_cluster_new(handle, brokers)
        if not self._cluster:
            raise ServerUnavailableError(f"librdkafka gave no mock cluster: {reason.value.decode()}")
        self._lib.rd_kafka_mock_set_controller_id(self._cluster, self._ids[0])

    def bootstrap(self) -> str:
        return str(self._lib.rd_kafka_mock_cluster_bootstraps(self._cluster).decode())

    def obey(self, line: str) -> None:
        """Carry out one command line; raises ServerUnavailableError or ValueError."""
        lib, cluster, words = self._lib, self._cluster, line.split()
        match words:
            case ["topic", name, partitions] if int(partitions) > 0:
                code = lib.rd_kafka_mock_topic_create(cluster, name.encode(), int(partitions), len(self._ids))
            case ["down"] | ["up"] | ["rtt", _]:
                set_state = getattr(lib, f"rd_kafka_mock_broker_set_{words[0]}")
                code = max(set_state(cluster, broker, *map(int, words[1:])) for broker in self._ids)
            case ["errors", api_key, *codes] if codes:
                lib.rd_kafka_mock_push_request_errors_array(
                    cluster, int(api_key), len(codes), (ctypes.c_int * len(codes))(*map(int, codes))
                )
                code = 0
            case ["leader", topic, partition, broker]:
                code = lib.rd_kafka_mock_partition_set_leader(
                    cluster, topic.encode(), int(partition), int(broker)
                )
            case ["coordinator", group, broker]:
                code = lib.rd_kafka_mock_coordinator_set(cluster, b"group", group.encode(), int(broker))
            case _:
                raise ServerUnavailableError(f"unknown command: {line.strip()}")
        if code:
            raise ServerUnavailableError(f"librdkafka error {code}: {line.strip()}")


def _library() -> ctypes.CDLL:
    try:
        import confluent_kafka  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ServerUnavailableError(
            "the embedded broker needs the extra `demo` (confluent-kafka)"
        ) from error
    package = Path(confluent_kafka.__file__).parent
    found = [*package.parent.glob("confluent_kafka.libs/librdkafka*"), *package.glob(".dylibs/librdkafka*")]
    if not found:
        raise ServerUnavailableError("this build of confluent-kafka carries no librdkafka of its own")
    library = ctypes.CDLL(str(found[0]))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _reply(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(brokers: str, *topics: str) -> int:
    """Serve until the input is closed; each line of output is `ok ...` or `error ...`."""
    try:
        cluster = _MockCluster(int(brokers))
        for topic in topics:
            cluster.obey("topic {} {}".format(*topic.rsplit(":", 1)))
        _reply(f"ok {cluster.bootstrap()}")
        for line in sys.stdin:
            cluster.obey(line)
            _reply("ok")
    except (ServerUnavailableError, ValueError, IndexError) as error:
        _reply(f"error {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
