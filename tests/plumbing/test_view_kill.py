"""The view role killed in mid-write: what it continues from is what it wrote."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time

import msgspec
import pytest
from redis.asyncio import Redis as RedisClient

from streams.view_store import Keys
from tests.plumbing.view_world import (
    ACCOUNTS,
    PARTITIONS,
    assert_no_leftovers,
    assert_view,
    catch_up,
    from_topic,
    publish,
    random_record,
    until,
)


@contextlib.contextmanager
def process(settings, output):
    """`accountpulse view` as a process that writes to the file `output`."""
    environment = os.environ | {
        "ACCOUNTPULSE_TOPIC_PREFIX": settings.topic_prefix,
        "ACCOUNTPULSE_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "ACCOUNTPULSE_REDIS__URL": settings.redis.url,
        "ACCOUNTPULSE_REDIS__PREFIX": settings.redis.prefix,
        "ACCOUNTPULSE_VIEW__BATCH": "5",
        "ACCOUNTPULSE_PROBES__HOST": "127.0.0.1",
        "ACCOUNTPULSE_PROBES__PORT": "0",
    }
    command = [sys.executable, "-m", "streams.cli.main", "view"]
    with output.open("ab") as file:
        child = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


@pytest.fixture
async def position(settings):
    """How many records the view that is written to has taken."""
    keys = Keys(settings.redis.prefix)
    client = RedisClient.from_url(settings.redis.url, decode_responses=True)

    async def ask() -> int:
        name = await client.get(keys.building) or await client.get(keys.current)
        raw = await client.get(keys.meta(name)) if name else None
        return sum(msgspec.json.decode(raw)["positions"].values()) if raw else 0

    async with contextlib.aclosing(client):
        yield ask


async def reached(position, goal: int) -> None:
    async def there():
        return await position() >= goal

    await until(there)


@pytest.mark.fault
async def test_kill_in_mid_write(settings, chance, tmp_path, position):
    """Killed again and again while it moves accounts, the role continues where it was: no record is lost or half done."""
    total = 2 * (ACCOUNTS + PARTITIONS)
    await publish(settings, [random_record(chance, 1, n) for n in range(ACCOUNTS)])
    await catch_up(settings)
    again = [random_record(chance, 2, n) for n in range(ACCOUNTS)]  # each once: a loss would show
    await publish(settings, again)
    seen = [await position()]
    for _ in range(4):
        with process(settings, tmp_path / "output") as child:
            await reached(position, await position() + chance.randrange(50, 350))
            child.kill()
        seen.append(await position())
    assert seen == sorted(set(seen))
    assert seen[-1] < total
    with process(settings, tmp_path / "output") as child:
        await reached(position, total)
        began = time.monotonic()
        child.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(child.wait, 20) == 0
        assert time.monotonic() - began < 10
    await assert_view(settings, await from_topic(settings))
    await assert_no_leftovers(settings)
