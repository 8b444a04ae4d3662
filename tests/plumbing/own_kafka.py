"""A broker of one test alone: to be killed, frozen, or configured in a way that others would not survive."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import pytest

from streams.servers.kafka import QUICK_FAULTS, KafkaServer
from streams.servers.process import ServerUnavailableError
from tests.servers import required


@contextlib.asynccontextmanager
async def own_kafka(properties: Mapping[str, str] | None = None) -> AsyncIterator[KafkaServer]:
    """Started, and closed at the end; skips the test if there is no way to have one."""
    server = KafkaServer(properties={**QUICK_FAULTS, **(properties or {})})
    try:
        await asyncio.to_thread(server.start)
    except ServerUnavailableError as error:
        server.close()
        if required():
            pytest.fail(f"ACCOUNTPULSE_REQUIRE_SERVERS=1, but {error}", pytrace=False)
        pytest.skip(str(error))
    try:
        yield server
    finally:
        await asyncio.to_thread(server.close)
