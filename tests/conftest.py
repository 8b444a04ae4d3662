"""Fixtures shared by all tests: real servers, one of each per session, and topic names nobody else uses."""

import os
import signal
import uuid
from collections.abc import Iterator
from typing import NoReturn

import pytest
from hypothesis import settings

from tests.servers import (
    KafkaAddress,
    RedisAddress,
    ServerUnavailableError,
    kafka_address,
    redis_address,
    required,
)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job, and all its children
    signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("project", deadline=None)  # a busy machine is no failure
settings.load_profile("project")
SERVER_FIXTURES = frozenset({"kafka", "redis_server"})


def pytest_xdist_auto_num_workers() -> int:
    return (os.cpu_count() or 2) * 3 // 2  # a third of the time a test waits for a process or a clock


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SERVER_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)


def _without(error: ServerUnavailableError) -> NoReturn:
    if required():
        pytest.fail(f"ACCOUNTPULSE_REQUIRE_SERVERS=1, but {error}", pytrace=False)
    pytest.skip(str(error))


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaAddress]:
    """A real Kafka."""
    try:
        with kafka_address() as bootstrap:
            yield KafkaAddress(bootstrap)
    except ServerUnavailableError as error:
        _without(error)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisAddress]:
    """A real Redis; share it by key prefix."""
    try:
        with redis_address() as url:
            yield RedisAddress(url)
    except ServerUnavailableError as error:
        _without(error)


@pytest.fixture
def topic_prefix() -> str:
    """A topic prefix of this test alone."""
    return f"t{uuid.uuid4().hex[:12]}."
