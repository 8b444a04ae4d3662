"""Where the tests get Kafka and Redis from: the environment, else containers, else the packages."""

import contextlib
import gc
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from streams.servers.kafka import QUICK_FAULTS, KafkaServer
from streams.servers.process import ServerUnavailableError
from streams.servers.redis import RedisServer

KAFKA_IMAGE = "apache/kafka:4.0.0"
REDIS_IMAGE = "redis:7-alpine"


@dataclass(frozen=True)
class KafkaAddress:
    bootstrap: str


@dataclass(frozen=True)
class RedisAddress:
    url: str


def required() -> bool:
    """Whether a server that cannot be had is a failure and not a skip."""
    return os.environ.get("ACCOUNTPULSE_REQUIRE_SERVERS") == "1"


def engine_answers() -> bool:
    """Whether containers can be started: an installed client alone does not count."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # docker leaves its socket open when nobody answers
        try:
            import docker  # noqa: PLC0415 - an optional way

            with contextlib.closing(docker.from_env(timeout=2)) as client:
                return bool(client.ping())
        except Exception:  # noqa: BLE001 - whatever it is, there is no engine
            return False
        finally:
            gc.collect()


@contextlib.contextmanager
def kafka_container() -> Iterator[str]:
    from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415

    with KafkaContainer(KAFKA_IMAGE) as container:
        yield container.get_bootstrap_server()


@contextlib.contextmanager
def redis_container() -> Iterator[str]:
    from testcontainers.community.redis import RedisContainer  # noqa: PLC0415

    with RedisContainer(REDIS_IMAGE) as container:
        yield f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(6379)}/0"


@contextlib.contextmanager
def local_kafka() -> Iterator[str]:
    with KafkaServer(properties=QUICK_FAULTS) as server:
        yield server.bootstrap


@contextlib.contextmanager
def local_redis() -> Iterator[str]:
    with RedisServer() as server:
        yield server.url


@contextlib.contextmanager
def address(
    variable: str,
    container: Callable[[], contextlib.AbstractContextManager[str]],
    local: Callable[[], contextlib.AbstractContextManager[str]],
) -> Iterator[str]:
    """Given by the environment, else a container's, else a local server's. Raises ServerUnavailableError."""
    if given := os.environ.get(variable):
        yield given
        return
    with contextlib.ExitStack() as stack:
        found = None
        if engine_answers():
            # an engine may be there without the image: then the local server serves
            with contextlib.suppress(Exception):
                found = stack.enter_context(container())
        yield found or stack.enter_context(local())


def kafka_address() -> contextlib.AbstractContextManager[str]:
    return address("ACCOUNTPULSE_TEST_KAFKA", kafka_container, local_kafka)


def redis_address() -> contextlib.AbstractContextManager[str]:
    return address("ACCOUNTPULSE_TEST_REDIS", redis_container, local_redis)


__all__ = [
    "KafkaAddress",
    "RedisAddress",
    "ServerUnavailableError",
    "kafka_address",
    "redis_address",
    "required",
]
