"""Redis away, slow or refusing, under a real worker and a real view: scoring goes on, readers are told, the view comes back whole."""

import asyncio
import contextlib
import json

import pytest
from aiokafka import AIOKafkaProducer
from redis import Redis as RedisClient
from redis.exceptions import RedisError

from scoring.times import iso
from streams.clock import wall_ms
from streams.partitioner import partition_of
from streams.servers.process import free_port
from streams.servers.redis import RedisServer
from streams.settings import Redis
from streams.view_reader import NoViewError, Query
from tests.plumbing.roles import environment_of, is_ready, role, samples, total, typed
from tests.plumbing.view_world import PARTITIONS, from_topic, reading
from tests.plumbing.worker_group import until

STALE_AFTER_S = 2
OLD_S = 4
"""A view that is written is a second old at most, on a slow machine two."""
pytestmark = pytest.mark.timeout(240)


class Installation:
    """A worker and a view as processes, and a feed that makes new accounts."""

    def __init__(self, settings, directory, worker, view):
        self.settings, self.directory, self.worker, self.view = settings, directory, worker, view
        self.accounts: set[str] = set()

    async def feed(self, count):
        """Events of so many accounts that were not there before; returns when all have a score in the topic."""
        new = [f"a-{len(self.accounts) + n}" for n in range(count)]
        async with AIOKafkaProducer(bootstrap_servers=self.settings.kafka.bootstrap) as producer:
            for name in new:
                key = name.encode()
                event = {"type": "usage", "event_id": name, "account_id": name, "ts": iso(wall_ms())}
                await producer.send(
                    f"{self.settings.topic_prefix}usage", json.dumps(event).encode(),
                    key=key, partition=partition_of(key, PARTITIONS),
                )  # fmt: skip
        self.accounts |= set(new)
        async with asyncio.timeout(40):
            while set(await from_topic(self.settings)) != self.accounts:
                await asyncio.sleep(0.1)

    async def seen(self):
        """The accounts that a reader sees, or why it sees none."""
        async with reading(self.settings) as reader:
            try:
                page = await reader.page(Query(limit=10_000))
            except (NoViewError, RedisError) as error:
                return str(error) or type(error).__name__
        return {json.loads(raw)["account_id"] for raw in page.records}

    async def complete(self, timeout=40):
        """Until a reader sees every account."""
        async with asyncio.timeout(timeout):
            while await self.seen() != self.accounts:
                await asyncio.sleep(0.05)

    async def typed(self, *words):
        environment = environment_of(self.settings, VIEW__STALE_AFTER=STALE_AFTER_S)
        return await asyncio.to_thread(typed, list(words), environment, self.directory)

    async def quiet(self):
        """Until `accounts` has nothing to warn of; the sign of life it goes by is a second old at most."""
        async with asyncio.timeout(20):
            while (told := await self.typed("accounts")).stderr:
                assert told.returncode == 0, told.stderr

    def says(self, words):
        return words in self.view.get("/ready")[1]


@contextlib.asynccontextmanager
async def installed(settings, directory, url=None):
    """The installation, complete with forty accounts; `url` is where the view finds Redis, if not where readers do."""
    environment = environment_of(
        settings, VIEW__STALE_AFTER=STALE_AFTER_S, ENGINE__IDLE="0.3", ENGINE__TICK="1"
    )
    of_the_view = environment | ({"ACCOUNTPULSE_REDIS__URL": url} if url else {})
    with role(["worker"], environment, directory) as worker, role(["view"], of_the_view, directory) as view:
        made = Installation(settings, directory, worker, view)
        await made.feed(40)
        await made.complete()
        await until(lambda: is_ready(view), 20, view.log.read_text)
        yield made
        assert is_ready(worker), worker.log.read_text()


@pytest.fixture
def own_redis(settings):
    """A Redis that may be hurt, and the settings with it."""
    with contextlib.closing(RedisServer()) as server:
        server.start()
        yield server, settings.model_copy(update={"redis": Redis(url=server.url, prefix="own:")})


def age(view):
    """How old the view is, in seconds of wall time."""
    [seconds] = samples(view, "accountpulse_view_age_seconds", time="wall")
    return seconds


async def watch(made, done, answers):
    while not done.is_set():
        answers.append(await made.seen())
        await asyncio.sleep(0.01)


async def test_killed_and_started_empty(own_redis, tmp_path):
    """With Redis dead, scores advance and `accounts` exits 3 naming Redis; started empty, the view is rebuilt whole and its age falls."""
    server, settings = own_redis
    async with installed(settings, tmp_path) as made:
        await asyncio.to_thread(server.kill)
        await until(lambda: made.says("Redis is away"), 20, made.view.log.read_text)
        await made.feed(40)
        assert is_ready(made.worker)
        told = await made.typed("accounts", "--band", "red", "--by", "mrr_at_risk")
        assert (told.returncode, told.stdout) == (3, "")
        assert told.stderr.startswith("accountpulse: Redis: ")
        assert len(told.stderr.splitlines()) == 1
        assert total(made.view, "accountpulse_view_redis_up") == 0
        await until(lambda: age(made.view) > OLD_S, 2 * OLD_S + 10)

        answers, done = [], asyncio.Event()
        watching = asyncio.create_task(watch(made, done, answers))
        await asyncio.to_thread(server.start)
        await made.complete()
        done.set()
        await watching
        assert [a for a in answers if isinstance(a, set) and a != made.accounts] == []
        assert any(
            "no view in this Redis" in a or "first view is being built" in a
            for a in answers
            if a != made.accounts
        )
        await until(lambda: is_ready(made.view), 20, made.view.log.read_text)
        await until(lambda: total(made.view, "accountpulse_view_redis_up") == 1, 10)
        assert total(made.view, "accountpulse_view_generation_rebuilds_total", reason="empty") == 2
        await made.feed(1)
        await made.complete()
        await until(lambda: total(made.view, "accountpulse_view_lag_records") == 0, 10)
        await until(lambda: age(made.view) < OLD_S, 10)


async def test_view_role_away(own_redis, tmp_path):
    """With the view role killed, `accounts` still lists the old view and warns that nobody writes it, and since when."""
    _, settings = own_redis
    async with installed(settings, tmp_path) as made:
        await made.quiet()
        made.view.process.kill()
        old = set(made.accounts)
        await made.feed(5)
        await asyncio.sleep(STALE_AFTER_S)
        told = await made.typed("accounts", "--limit", "1000", "--json")
        assert {json.loads(line)["account_id"] for line in told.stdout.splitlines()} == old
        assert "stale: no view role has written for" in told.stderr
        with role(["view"], environment_of(settings), tmp_path) as made.view:
            await made.complete()
            await until(lambda: is_ready(made.view), 20, made.view.log.read_text)
            assert total(made.view, "accountpulse_view_generation_rebuilds_total") == 0
            await made.quiet()


class SlowWay:
    """A way to a server on which every answer takes `delay` seconds longer."""

    def __init__(self, port):
        self.port, self.delay, self.way = port, 0.0, free_port()
        self._serving: set[asyncio.Task] = set()

    async def _carry(self, reader, writer, slow):
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                if slow:
                    await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()

    async def _serve(self, reader, writer):
        self._serving.add(asyncio.current_task())
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        ways = [self._carry(reader, back, slow=False), self._carry(there, writer, slow=True)]
        carrying = [asyncio.create_task(way) for way in ways]
        try:
            await asyncio.wait(carrying, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in carrying:
                task.cancel()
            for end in (writer, back):
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    @contextlib.asynccontextmanager
    async def open(self):
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.way)
        try:
            yield f"redis://127.0.0.1:{self.way}/0"
        finally:
            server.close()
            await asyncio.wait_for(asyncio.gather(*self._serving, return_exceptions=True), 10)


async def test_slow(own_redis, tmp_path):
    """A Redis whose answers take two seconds slows the view and nothing else; then the view catches up, without a rebuild."""
    server, settings = own_redis
    slow = SlowWay(server._port)
    async with slow.open() as url, installed(settings, tmp_path, url) as made:
        slow.delay = 2.0
        await made.feed(40)
        assert (await made.seen()) != made.accounts
        assert is_ready(made.worker)
        assert max(samples(made.worker, "accountpulse_score_age_seconds")) < 2
        await made.complete(60)
        slow.delay = 0.0
        await made.feed(40)
        await made.complete(15)
        assert total(made.view, "accountpulse_view_generation_rebuilds_total") == 1


@pytest.mark.parametrize(
    ("refuse", "allow", "reason"),
    [
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "NOREPLICAS"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "You can't write against a read only replica"),
    ],
)
async def test_read_only(own_redis, tmp_path, refuse, allow, reason):
    """A Redis that refuses writes is named with its reason; readers have the old view with a warning until it takes them again."""
    server, settings = own_redis
    with RedisClient.from_url(server.url) as client:
        async with installed(settings, tmp_path) as made:
            old = set(made.accounts)
            client.execute_command(*refuse.split())
            await until(lambda: made.says(f"Redis refuses: {reason}"), 20, made.view.log.read_text)
            await made.feed(40)
            assert await made.seen() == old
            await asyncio.sleep(STALE_AFTER_S)
            told = await made.typed("accounts")
            assert (told.returncode, "stale: " in told.stderr) == (0, True), told.stderr
            filtered = await made.typed("accounts", "--tier", "low_touch")
            assert (filtered.returncode, reason in filtered.stderr) == (3, True), filtered.stderr
            client.execute_command(*allow.split())
            await made.complete()
            await until(lambda: is_ready(made.view), 20, made.view.log.read_text)
            assert total(made.view, "accountpulse_view_generation_rebuilds_total") == 1
            assert "account_id" not in made.view.log.read_text()
