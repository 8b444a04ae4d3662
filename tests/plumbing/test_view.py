"""The Redis view equals a plain recomputation of the `scores` topic, on a real Kafka and a real Redis."""

import asyncio
import contextlib
import json

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import UnknownTopicOrPartitionError
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from scoring.times import HOUR, iso
from streams.cli.main import app
from streams.clock import wall_ms
from streams.settings import Kafka, Redis, Settings
from streams.view import ViewRole
from streams.view_reader import NoViewError, Order, Query
from tests.plumbing.view_world import (
    PARTITIONS,
    assert_no_leftovers,
    assert_view,
    catch_up,
    from_topic,
    listed,
    publish,
    random_record,
    reading,
    running,
    score_record,
    until,
)


async def test_equals_a_plain_recomputation(settings, chance):
    """After random upserts, deletions, moves and ends, read in bits, every list is what sorting all records gives."""
    version = 0
    for _ in range(4):
        records = [random_record(chance, version := version + 1) for _ in range(400)]
        await publish(settings, records)
        await catch_up(settings)
    accounts = await from_topic(settings)
    assert accounts
    await assert_view(settings, accounts)
    await assert_no_leftovers(settings)


async def test_pages_join_to_the_whole(settings, chance):
    """Pages of any size, one after the other, give the whole list once."""
    await publish(settings, [random_record(chance, n) for n in range(500)])
    await catch_up(settings)
    async with reading(settings) as reader:
        for order, facets in ((Order.SCORE, {}), (Order.CHANGED, {"tier": "low_touch"})):
            whole, size = await listed(reader, order, **facets), chance.randrange(1, 40)
            pages: list[str] = []
            while len(pages) < len(whole):
                page = await reader.page(Query(order, facets, None, len(pages), size))
                assert page.total == len(whole)
                pages += [msgspec.json.decode(raw)["account_id"] for raw in page.records]
            assert pages == whole


async def test_the_log_decides_not_the_version(settings):
    """A lower version later in the log, as after a crash of the worker, is the account; so says compaction."""
    await publish(settings, [score_record("a-1", 16, score=80.0, band="green")])
    await catch_up(settings)
    await publish(settings, [score_record("a-1", 7, score=30.0, band="red")])
    await catch_up(settings)
    async with reading(settings) as reader:
        assert await listed(reader, Order.SCORE, band="red") == ["a-1"]
        assert await listed(reader, Order.SCORE, band="green") == []


async def test_unreadable_records_are_counted_and_skipped(settings):
    """What is no score record changes nothing and stops nothing."""
    registry = CollectorRegistry()
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap) as producer:
        for value in (b"no json", b"{}", b'{"account_id": 1}'):
            await producer.send(f"{settings.topic_prefix}scores", value, key=b"a-1", partition=0)
    await publish(settings, [score_record("a-2")])
    async with running(settings, registry=registry), reading(settings) as reader:

        async def there():
            with contextlib.suppress(NoViewError):
                return (await reader.account("a-2"))[0]

        await until(there)
    found = {
        fate: registry.get_sample_value("accountpulse_view_records_total", {"fate": fate})
        for fate in ("applied", "invalid", "marker")
    }
    assert found == {"applied": 1, "invalid": 3, "marker": PARTITIONS}


async def test_figures(settings):
    """Lag, ages, accounts by band and readiness are those of the view."""
    registry = CollectorRegistry()
    then = iso(wall_ms() - 2 * HOUR)
    records = [score_record(f"a-{n}", as_of=then, band="red" if n < 3 else "green") for n in range(8)]
    await publish(settings, [*records, score_record("a-9", band="ended", ended=True)])
    async with running(settings, registry=registry) as role:

        async def counted():
            return registry.get_sample_value("accountpulse_view_accounts", {"band": "ended"}) == 1

        await until(counted)
        assert role.readiness().ready
        assert role.readiness().partitions == [0, 1, 2]
        assert registry.get_sample_value("accountpulse_view_lag_records") == 0
        bands = {
            band: registry.get_sample_value("accountpulse_view_accounts", {"band": band})
            for band in ("red", "amber", "green")
        }
        assert bands == {"red": 3, "amber": 0, "green": 5}
        ages = {
            kind: registry.get_sample_value("accountpulse_view_age_seconds", {"time": kind})
            for kind in ("stream", "wall")
        }
        assert 7200 <= ages["stream"] < 7260
        assert 0 <= ages["wall"] < 60


async def test_missing_topic(kafka, redis_server, topic_prefix):
    """Without its topic the role says which, and how to get it."""
    settings = Settings(
        topic_prefix=topic_prefix, kafka=Kafka(bootstrap=kafka.bootstrap), redis=Redis(url=redis_server.url)
    )
    with pytest.raises(
        UnknownTopicOrPartitionError, match="scores does not exist: accountpulse topics create"
    ):
        await ViewRole(settings, CollectorRegistry()).run(asyncio.Event())


EURO = {"mrr": 9_000, "attributes": {"currency": "EUR", "owner": "ann"}}
DOLLAR = {"mrr": 99, "attributes": {"currency": "USD"}}
RECORDS = (
    score_record("a-1", score=10.0, band="red", mrr_at_risk=8_100, **EURO),
    score_record("a-2", score=5.0, band="red", mrr_at_risk=8_550, **EURO),
    score_record("a-3", score=30.0, band="red", mrr_at_risk=70, **DOLLAR),
    score_record("a-4", score=90.0, band="green"),
)


@pytest.fixture
def cli(settings):
    """Runs a command on the Redis of the test."""
    environment = {
        "ACCOUNTPULSE_REDIS__URL": settings.redis.url, "ACCOUNTPULSE_REDIS__PREFIX": settings.redis.prefix
    }  # fmt: skip

    async def run(*words):
        return await asyncio.to_thread(CliRunner().invoke, app, words, env=environment)

    return run


def first_words(result) -> list[str]:
    return [line.split()[0] for line in result.stdout.splitlines()]


async def test_no_view(cli):
    """Before a role has run, `accounts` says that there is no view."""
    assert isinstance((await cli("accounts")).exception, NoViewError)


async def test_accounts_are_listed(settings, cli):
    """`accounts` prints what is in Redis, filtered and ranked, money per currency, and knows a name that was mistyped."""
    await publish(settings, RECORDS)
    await catch_up(settings)
    assert first_words(await cli("accounts", "--band", "red")) == ["account", "a-2", "a-1", "a-3", "1-3"]
    money = await cli("accounts", "--by", "mrr_at_risk")
    assert first_words(money) == ["account", "a-2", "a-1", "1-2", "other"]
    assert "USD (1)" in money.stdout
    dollars = await cli("accounts", "--by", "mrr_at_risk", "--currency", "usd", "--json")
    assert [json.loads(line)["account_id"] for line in dollars.stdout.splitlines()] == ["a-3"]
    assert "did you mean ann?" in (await cli("accounts", "--owner", "anne")).stderr


async def test_an_account_is_explained(settings, cli):
    """`explain` prints the record of an account, and exits 1 for one that is not known."""
    await publish(settings, RECORDS)
    await catch_up(settings)
    assert "score 10.0, red" in (await cli("explain", "a-1")).stdout
    assert json.loads((await cli("explain", "a-2", "--json")).stdout)["record"]["mrr_at_risk"] == 8_550
    assert (await cli("explain", "a-9")).exit_code == 1
