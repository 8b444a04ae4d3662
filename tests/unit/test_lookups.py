"""Look-ups that are made at the same time share a round trip, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from streams.lookups import MOST, Lookups


class Server:
    """Answers with the key; `open` lets an answer out."""

    def __init__(self, fails: frozenset[str] = frozenset()) -> None:
        self.trips: list[list[str]] = []
        self.open = asyncio.Event()
        self.fails = fails

    async def read(self, keys):
        self.trips.append(list(keys))
        await self.open.wait()
        if self.fails & set(keys):
            raise ValueError("no hash")
        return [{"key": key} for key in keys]


async def asked(lookups: Lookups, *keys: str) -> list[asyncio.Task]:
    tasks = [asyncio.create_task(lookups.get(key)) for key in keys]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_one_trip_for_all_that_ask_meanwhile():
    """What is asked for while an answer is awaited is read in the next trip, and everybody gets what he asked for."""
    server = Server()
    lookups = Lookups(server.read)
    first = await asked(lookups, "a")
    rest = await asked(lookups, *(f"k{n}" for n in range(100)))
    server.open.set()
    assert [found["key"] for found in await asyncio.gather(*first, *rest)] == [
        "a", *(f"k{n}" for n in range(100)),
    ]  # fmt: skip
    assert server.trips == [["a"], [f"k{n}" for n in range(100)]]
    assert await lookups.get("later") == {"key": "later"}


async def test_a_trip_has_a_limit():
    """A thousand that ask at once are read in several trips, in the order of asking."""
    server = Server()
    server.open.set()
    lookups = Lookups(server.read)
    keys = [f"k{n}" for n in range(1000)]
    await asyncio.gather(*map(lookups.get, keys))
    assert [key for trip in server.trips for key in trip] == keys
    assert max(map(len, server.trips)) == MOST


async def test_who_gives_up_harms_nobody():
    """A look-up that is cancelled on the way, or before its trip, leaves the others their answers."""
    server = Server()
    lookups = Lookups(server.read)
    first = await asked(lookups, "a")
    under_way, waits, last = await asked(lookups, "b", "c", "d")
    first[0].cancel()
    under_way.cancel()
    server.open.set()
    assert [await waits, await last] == [{"key": "c"}, {"key": "d"}]
    assert server.trips == [["a"], ["c", "d"]]


async def test_an_error_is_told_to_its_trip_alone():
    """Whoever shares the trip that fails is told; whoever asks later gets an answer."""
    server = Server(fails=frozenset({"b"}))
    server.open.set()
    lookups = Lookups(server.read)
    answers = await asyncio.gather(*map(lookups.get, ["b", "c"]), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ValueError, ValueError]
    assert await lookups.get("d") == {"key": "d"}


async def test_closing_ends_what_waits():
    """After `close` nobody waits for an answer that will not come."""
    server = Server()
    lookups = Lookups(server.read)
    tasks = [*await asked(lookups, "a"), *await asked(lookups, "b")]
    await lookups.close()
    for task in tasks:
        with pytest.raises(asyncio.CancelledError):
            await task
