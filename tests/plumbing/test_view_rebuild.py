"""The view when Redis is emptied, stopped, frozen, or the topic is made anew: readers always see one whole generation."""

import asyncio
import contextlib

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis as RedisClient

from scoring.times import HOUR
from streams import topics
from streams.clock import wall_ms
from streams.kafka_clients import admin_client
from streams.servers.redis import RedisServer
from streams.settings import Redis
from streams.view import TOMBSTONE_MS, ViewRole
from streams.view_reader import NoViewError, Order, Query, ViewReader
from streams.view_store import Keys
from tests.plumbing.view_world import (
    BANDS,
    assert_no_leftovers,
    assert_view,
    catch_up,
    from_topic,
    publish,
    random_record,
    reading,
    running,
    score_record,
    until,
)


async def test_readers_see_the_old_view_while_a_new_one_is_built(settings, chance):
    """Throughout a rebuild every answer is whole: never empty, never partial; the old keys are gone afterwards."""
    await publish(settings, [score_record(f"a-{n}", n, band=chance.choice(BANDS)) for n in range(300)])
    await catch_up(settings)
    client = RedisClient.from_url(settings.redis.url)
    async with contextlib.aclosing(client), reading(settings) as reader:
        before = await client.get(Keys(settings.redis.prefix).current)
        answers: list[int] = []
        done = asyncio.Event()

        async def ask():
            while not done.is_set():
                order = chance.choice([Order.SCORE, Order.CHANGED])
                page = await reader.page(Query(order, {"tier": "low_touch"}, None, 0, 1000))
                answers.append(len(page.records))
                assert (await reader.account("a-7"))[0]

        asking = asyncio.create_task(ask())
        for _ in range(3):
            await catch_up(settings, rebuild=True)
        done.set()
        await asking
        assert await client.get(Keys(settings.redis.prefix).current) != before
    assert len(answers) > 20
    assert set(answers) == {300}
    await assert_no_leftovers(settings)


async def test_a_reader_overtaken_by_a_swap_asks_again(settings):
    """A reader that learned the name of a generation just before it was replaced and deleted still answers whole."""

    class Overtaken(ViewReader):
        swaps = 0

        async def _ask(self, name, *commands):
            if self.swaps < 3:
                self.swaps += 1
                await catch_up(settings, rebuild=True)
            return await super()._ask(name, *commands)

    await publish(settings, [score_record(f"a-{n}") for n in range(40)])
    await catch_up(settings)
    async with contextlib.aclosing(RedisClient.from_url(settings.redis.url)) as client:
        reader = Overtaken(client, settings.redis.prefix)
        page = await reader.page(Query(Order.SCORE, {"tier": "low_touch"}, None, 0, 100))
        assert (reader.swaps, page.total, len(page.records)) == (3, 40, 40)
        reader.swaps = 0
        assert (await reader.account("a-7"))[0]


async def test_a_rebuild_beside_a_running_role(settings, chance):
    """Two processes at once get in each other's way, and still make one right view."""
    registry = CollectorRegistry()
    await publish(settings, [random_record(chance, n) for n in range(600)])
    async with running(settings, registry=registry):
        await catch_up(settings)
        await publish(settings, [random_record(chance, n) for n in range(600)])
        async with running(settings, rebuild=True):
            await publish(settings, [random_record(chance, n) for n in range(600)])
            await catch_up(settings)
    await assert_view(settings, await from_topic(settings))


async def test_emptied_redis_is_noticed_and_filled(settings, chance):
    """A Redis emptied under the running role is filled again by itself, without an event and with none lost."""
    registry = CollectorRegistry()
    with contextlib.closing(RedisServer()) as server:
        server.start()
        own = settings.model_copy(update={"redis": Redis(url=server.url, prefix="own:")})
        await publish(own, [random_record(chance, n) for n in range(500)])
        async with running(own, registry=registry) as role, reading(own) as reader:

            async def complete():
                return role.readiness().ready and not role._lag()

            await until(complete)
            async with contextlib.aclosing(RedisClient.from_url(server.url)) as client:
                await client.flushall()
            with pytest.raises(NoViewError, match="there is no view"):
                await reader.account("a-1")

            async def back():
                with contextlib.suppress(NoViewError):
                    return (await reader.page(Query())).total

            await until(back)
            await publish(own, [random_record(chance, n) for n in range(200)])
            await until(complete)
            await asyncio.sleep(1.5)
        await assert_view(own, await from_topic(own))
    labels = {"reason": "empty"}
    assert registry.get_sample_value("accountpulse_view_generation_rebuilds_total", labels) == 2


async def test_redis_stopped_and_started(settings, chance):
    """While Redis is away the role waits and says so; when it is back, empty, the view is complete again."""
    registry = CollectorRegistry()
    with contextlib.closing(RedisServer()) as server:
        own = settings.model_copy(update={"redis": Redis(url=server.url, prefix="own:")})
        await publish(own, [random_record(chance, n) for n in range(300)])
        async with running(own, registry=registry) as role:

            async def ready():
                return role.readiness().ready and not role._lag()

            async def away():
                return role.readiness().reasons == ["Redis is away"]

            await until(away)
            await asyncio.to_thread(server.start)
            await until(ready)
            await asyncio.to_thread(server.kill)
            await publish(own, [random_record(chance, n) for n in range(300)])
            await until(away)
            assert registry.get_sample_value("accountpulse_view_redis_up") == 0
            await asyncio.to_thread(server.start)
            await until(ready)
        await assert_view(own, await from_topic(own))


async def test_paused_redis_loses_nothing(settings, chance):
    """A frozen Redis, which may have run a transaction it never answered, costs time and no record."""
    with contextlib.closing(RedisServer()) as server:
        server.start()
        own = settings.model_copy(update={"redis": Redis(url=server.url, prefix="own:")})
        async with running(own) as role:
            for _ in range(3):
                records = [random_record(chance, n) for n in range(300)]
                writing = asyncio.create_task(publish(own, records))
                await asyncio.sleep(chance.random() * 0.3)
                await asyncio.to_thread(server.pause)
                await asyncio.sleep(1)
                await asyncio.to_thread(server.resume)
                await writing

            async def ready():
                return role.readiness().ready and not role._lag()

            await until(ready)
        await catch_up(own)
        await assert_view(own, await from_topic(own))


async def test_other_layouts_and_topics_are_built_anew(settings):
    """A view of another layout, a longer topic or a day ago is not continued; one that can be, is."""
    await publish(settings, [score_record("a-1"), score_record("a-2")])
    keys, prefix = Keys(settings.redis.prefix), "accountpulse_view_generation_rebuilds_total"

    async def reason() -> dict[str, float]:
        registry = CollectorRegistry()
        await ViewRole(settings, registry).run(asyncio.Event(), once=True)
        found = [s for m in registry.collect() for s in m.samples if s.name == prefix]
        return {s.labels["reason"]: s.value for s in found if s.value}

    async with contextlib.aclosing(RedisClient.from_url(settings.redis.url, decode_responses=True)) as client:
        assert await reason() == {"empty": 1}
        assert await reason() == {}
        name = await client.get(keys.current)
        meta = msgspec.json.decode(await client.get(keys.meta(name)))
        for number in meta["positions"]:
            meta["positions"][number] += 100
        await client.set(keys.meta(name), msgspec.json.encode(meta))
        assert await reason() == {"topic": 1}
        await publish(settings, [score_record("a-3")])
        pulse = {"at": wall_ms() - TOMBSTONE_MS - HOUR, "lag": 0}
        await client.set(keys.pulse(await client.get(keys.current)), msgspec.json.encode(pulse))
        assert await reason() == {"away": 1}
        await client.set(keys.current, "0.abc")
        await client.set(f"{keys.root}0.abc:anything", "of an old layout")
        async with reading(settings) as reader:
            with pytest.raises(NoViewError, match="another release"):
                await reader.page(Query())
        assert await reason() == {"layout": 1}
        assert await client.exists(f"{keys.root}0.abc:anything", keys.retired) == 0


async def test_recreated_topic_is_noticed_by_the_running_role(settings):
    """A topic deleted and made anew ends below the position: the view is built from what it holds now."""
    await publish(settings, [score_record(f"a-{n}") for n in range(60)])
    name = f"{settings.topic_prefix}scores"
    async with running(settings), reading(settings) as reader:

        async def total():
            with contextlib.suppress(NoViewError):
                return (await reader.page(Query())).total

        async def old():
            return await total() == 60

        async def new():
            return await total() == 1

        await until(old)
        async with admin_client(settings.kafka) as admin:
            await admin.delete_topics([name])
        await asyncio.sleep(1)
        await topics.create(settings)
        await publish(settings, [score_record("a-1")])
        await until(new, timeout=60)
