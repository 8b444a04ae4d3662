"""What all fault tests share: the marker, a broker of one's own, and a table of figures at the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from streams.servers.kafka import QUICK_FAULTS, KafkaServer
from streams.servers.process import ServerUnavailableError


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/tests/fault/" in str(item.path):
            item.add_marker(pytest.mark.fault)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Prints the figures of a run, now and in the table at the end."""

    def tell(**figures: object) -> None:
        text = ", ".join(f"{name} {value}" for name, value in figures.items())
        print(f"{request.node.name}: {text}")
        request.node.user_properties.append(("figures", text))

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    told = [
        (r.nodeid.rpartition("/")[2], r.duration, text)
        for r in [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
        if r.when == "call"
        for name, text in r.user_properties
        if name == "figures"
    ]
    if told:
        terminalreporter.section("figures of the fault runs")
    for name, seconds, text in told:
        terminalreporter.write_line(f"{name} ({seconds:.0f} s): {text}")


@pytest.fixture
async def own_kafka() -> AsyncIterator[KafkaServer]:
    """A broker of this test alone, as it will be killed."""
    server = KafkaServer(properties=QUICK_FAULTS)
    try:
        await asyncio.to_thread(server.start)
    except ServerUnavailableError as error:
        server.close()
        pytest.skip(str(error))
    try:
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            await asyncio.to_thread(server.close)
