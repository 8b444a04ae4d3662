"""Score records, the view they must make, and roles that make it: support for the tests of the view."""

import asyncio
import contextlib

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis as RedisClient

from scoring.times import iso, parse
from streams.own_records import TERM_KEY
from streams.partitioner import partition_of
from streams.view import ViewRole
from streams.view_reader import Order, Query, ViewReader
from streams.view_store import Keys

PARTITIONS = 3
ACCOUNTS = 2000
BANDS = ("red", "amber", "green", "insufficient_data")
TIERS = ("high_touch", "low_touch", "tech_touch")
OWNERS = ("ann", "bob", "cem", None)
SEGMENTS = ("smb", "mid-market", None)
CURRENCIES = ("EUR", "USD", "JPY", None)


def score_record(account, version=1, **fields):
    common = {
        "account_id": account, "as_of": "2026-05-01T00:00:00Z", "score": 50.0, "band": "amber", "model": "m",
        "version": version, "coverage": 1.0, "tier": "low_touch", "attributes": {"name": account.upper()},
    }  # fmt: skip
    return account, common | fields


def random_record(chance, version, number=None):
    """Anything that may happen to an account, one of a few hundred if not told; deletion included."""
    account = f"a-{chance.randrange(300) if number is None else number}"
    if chance.random() < 0.1:
        return account, None
    mrr = chance.choice([None, chance.randrange(1, 10**7)])
    attributes = {"name": f"Company {account}"}
    choices = {"owner": OWNERS, "segment": SEGMENTS, "currency": CURRENCIES}
    attributes |= {k: v for k, values in choices.items() if (v := chance.choice(values)) is not None}
    fields = {
        "as_of": iso(parse("2026-05-01T00:00:00Z") + chance.randrange(10**6) * 1000),
        "band": chance.choice(BANDS),
        "tier": chance.choice(TIERS),
        "attributes": attributes,
        "score": chance.choice([None, chance.randrange(100_000) / 1000]),
        "something_new": {"of": ["a", "later", "release"]},
    }
    if mrr is not None:
        fields |= {"mrr": mrr, "mrr_at_risk": chance.randrange(mrr + 1)}
    if chance.random() < 0.3:
        fields["urgency"] = 1 + chance.randrange(8) / 4
    if chance.random() < 0.1:
        fields |= {"band": "ended", "ended": True, "score": None}
    return score_record(account, version, **fields)


async def publish(settings, records) -> None:
    """(account, record or None) in this order, with term records in between."""
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap) as producer:
        for number in range(PARTITIONS):
            await producer.send(f"{settings.topic_prefix}scores", b"7", key=TERM_KEY, partition=number)
        for account, record in records:
            value = None if record is None else msgspec.json.encode(record)
            key = account.encode()
            partition = partition_of(key, PARTITIONS)
            await producer.send(f"{settings.topic_prefix}scores", value, key=key, partition=partition)
        await producer.flush()


async def from_topic(settings) -> dict[str, dict]:
    """The newest record of each account: what a compacted topic says, read plainly."""
    accounts: dict[str, dict] = {}
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka.bootstrap, auto_offset_reset="earliest")
    async with consumer:
        partitions = [TopicPartition(f"{settings.topic_prefix}scores", n) for n in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    if record.key == TERM_KEY:
                        continue
                    if record.value is None:
                        accounts.pop(record.key.decode(), None)
                    else:
                        accounts[record.key.decode()] = msgspec.json.decode(record.value)
    return accounts


def worth(record) -> float:
    return record["mrr_at_risk"] * record.get("urgency", 1.0)


def ranked(accounts, order, currency=None, **facets):
    """The plain way: filter and sort all records."""
    found = [r for r in accounts.values() if (r["band"] == "ended") == (facets.get("band") == "ended")]
    for name, value in facets.items():
        found = [r for r in found if value in (r.get(name), r["attributes"].get(name))]
    if currency:
        found = [r for r in found if "mrr_at_risk" in r and r["attributes"].get("currency", "-") == currency]
    if order is Order.SCORE and facets.get("band") != "ended":
        unscored = float("inf")
        found.sort(key=lambda r: (unscored if r["score"] is None else r["score"], r["account_id"]))
        return [r["account_id"] for r in found]
    rank = {
        Order.SCORE: lambda r: parse(r["as_of"]),
        Order.CHANGED: lambda r: parse(r["as_of"]),
        Order.MRR_AT_RISK: lambda r: r["mrr_at_risk"],
        Order.URGENCY: worth,
    }[order]
    return [r["account_id"] for r in sorted(found, key=lambda r: (rank(r), r["account_id"]), reverse=True)]


@contextlib.asynccontextmanager
async def reading(settings):
    client = RedisClient.from_url(settings.redis.url)
    try:
        yield ViewReader(client, settings.redis.prefix)
    finally:
        await client.aclose()


async def listed(reader, order, currency=None, **facets) -> list[str]:
    query = Query(order, facets, currency, 0, 10_000)
    page = await reader.page(query)
    assert page.total == len(page.records)
    return [msgspec.json.decode(raw)["account_id"] for raw in page.records]


async def assert_view(settings, accounts) -> None:
    """Every record, every order and every filter of the view is what the plain way gives."""
    async with reading(settings) as reader:
        for account in {*accounts, *(f"a-{n}" for n in range(300))}:
            raw, _ = await reader.account(account)
            assert (raw and msgspec.json.decode(raw)) == accounts.get(account)
        for order, currency in [
            (Order.SCORE, None), (Order.CHANGED, None),
            *((order, c or "-") for order in (Order.MRR_AT_RISK, Order.URGENCY) for c in CURRENCIES),
        ]:  # fmt: skip
            facets = [("band", b) for b in (*BANDS, "ended")] if currency is None else [("band", "red")]
            facets += (
                [("tier", t) for t in TIERS] + [("owner", o) for o in OWNERS if o] + [("segment", "smb")]
            )
            for only in [
                {},
                *({k: v} for k, v in facets),
                {"band": "red", "tier": "low_touch", "owner": "ann"},
            ]:
                told = await listed(reader, order, currency, **only)
                assert told == ranked(accounts, order, currency, **only), (order, currency, only)


async def assert_no_leftovers(settings) -> None:
    """Every key belongs to the current generation, and every index entry to an account that is there."""
    keys = Keys(settings.redis.prefix)
    async with contextlib.aclosing(RedisClient.from_url(settings.redis.url, decode_responses=True)) as client:
        name = await client.get(keys.current)
        assert await client.exists(keys.building, keys.retired) == 0
        mine = [key async for key in client.scan_iter(f"{keys.root}*", count=1000)]
        assert [key for key in mine if f":{name}:" not in key] == [keys.current]
        rows = {key for key in mine if ":account:" in key}
        assert {keys.account(name, account) for account in await client.hkeys(keys.held(name))} == rows
        listed = set()
        for index in await client.smembers(keys.indexes(name)):
            key = keys.index(name, index)
            members = await (client.smembers(key) if index.startswith("in:") else client.zrange(key, 0, -1))
            listed |= {keys.account(name, account) for account in members}
        assert listed == rows


@contextlib.asynccontextmanager
async def running(settings, *, rebuild=False, registry=None):
    """The role, until the end of the block; a failure of it is a failure of the test."""
    stop = asyncio.Event()
    role = ViewRole(settings, registry or CollectorRegistry(), rebuild=rebuild)
    task = asyncio.create_task(role.run(stop))
    try:
        yield role
    finally:
        stop.set()
        async with asyncio.timeout(30):
            await task


async def catch_up(settings, **options) -> None:
    async with asyncio.timeout(40):
        await ViewRole(settings, CollectorRegistry(), **options).run(asyncio.Event(), once=True)


async def until(condition, timeout=30.0):
    async with asyncio.timeout(timeout):
        while not await condition():
            await asyncio.sleep(0.02)
