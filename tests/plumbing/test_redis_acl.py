"""Redis with access control: what docs/operations.md lists for a role is enough for all it does, and each of it is used."""

import contextlib
import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from redis import Redis as RedisClient
from structlog.testing import capture_logs

from alerts.sending import Fate
from streams.cli.check import _redis
from streams.cli.check_result import Status
from streams.servers.redis import RedisServer
from streams.settings import Redis, Settings, Sinks
from tests.plumbing import notifying
from tests.plumbing.test_notifier import COOLING
from tests.plumbing.view_world import (
    assert_no_leftovers,
    assert_view,
    catch_up,
    from_topic,
    publish,
    random_record,
    running,
    until,
)

PAGE = (Path(__file__).parents[2] / "docs/operations.md").read_text("utf-8")
TABLE = PAGE[PAGE.index("With an ACL of Redis") : PAGE.index("6. **Several installations**")]
SECRET = "hunter2"
BESIDE = {
    "hello",
    "client",
    "auth",
    "ping",
    "watch",
    "unwatch",
    "multi",
    "exec",
    "discard",
    "acl",
    "config",
    "info",
}
"""Commands of the two categories, and what the test itself asks."""


def listed(role: str) -> set[str]:
    [row] = [line for line in TABLE.splitlines() if line.strip().startswith(f"| {role}")]
    return set(re.findall(r"`([a-z]+)`", row.split("|")[2]))


class Guarded:
    """A Redis of its own with one user who may do what the docs say of a role."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.admin = RedisClient.from_url(url)
        self._url, self._settings = url, settings
        self.admin.config_resetstat()

    def allow(self, role: str, commands: set[str]) -> Settings:
        """Settings of that user."""
        words = [
            "on",
            f">{SECRET}",
            f"~{self._settings.topic_prefix}*",
            "-@all",
            "+@connection",
            "+@transaction",
        ]
        self.admin.execute_command("ACL", "SETUSER", role, *words, *(f"+{name}" for name in commands))
        return self._with(self._url.replace("//", f"//{role}:{SECRET}@"))

    @property
    def free(self) -> Settings:
        """Settings of the user who may do everything."""
        return self._with(self._url)

    def _with(self, url: str) -> Settings:
        return self._settings.model_copy(update={"redis": Redis(url=url, prefix=self._settings.topic_prefix)})

    def used(self) -> set[str]:
        """What was asked of the server, those commands apart that everybody has."""
        stats = {
            name.removeprefix("cmdstat_"): told["calls"]
            for name, told in self.admin.info("commandstats").items()
        }
        return {name.partition("|")[0] for name, calls in stats.items() if calls} - BESIDE


@contextlib.contextmanager
def guarded(settings: Settings):
    with RedisServer() as server:
        made = Guarded(server.url, settings)
        with contextlib.closing(made.admin):
            yield made


async def test_a_view_and_its_readers(settings, chance):
    """A view is built, kept up, built anew and cleared of the old one; readers rank and filter, by the rights of a reader."""
    with guarded(settings) as redis:
        view = redis.allow("view", listed("view"))
        await publish(settings, [random_record(chance, n) for n in range(600)])
        await catch_up(view)
        await publish(settings, [random_record(chance, n) for n in range(600, 1200)])
        await catch_up(view)
        before = redis.admin.dbsize()
        async with running(view, rebuild=True) as role:
            await until(lambda: _cleared(redis, role, before))
        used = redis.used() - {"dbsize", "exists"}
        assert used == listed("view")
        await assert_no_leftovers(redis.free)
        redis.admin.config_resetstat()
        await assert_view(redis.allow("reader", listed("who reads the view")), await from_topic(settings))
        assert redis.used() == listed("who reads the view")


async def _cleared(redis: Guarded, role, before: int) -> bool:
    prefix = redis.free.redis.prefix
    return (
        role.readiness().ready
        and redis.admin.dbsize() <= before
        and not redis.admin.exists(f"{prefix}view:retired")
    )


async def test_a_notifier(settings, tmp_path):
    """What was sent is remembered, cooled down and asked for, by the rights of a notifier."""
    (tmp_path / "routes.yaml").write_text(COOLING)
    with guarded(settings) as redis:
        notifier = redis.allow("notifier", listed("notifier"))
        notifier = notifier.model_copy(update={"sinks": Sinks(routes=tmp_path / "routes.yaml")})
        registry, sink = CollectorRegistry(), notifying.Recorder()
        await notifying.publish(settings, notifying.alerts_of(4, 2))
        again = notifying.alerts_of(4, 1)
        async with notifying.running(notifier, sink, registry=registry):
            await notifying.until(lambda: _told(registry) == 8)
            await notifying.publish(settings, again)
            await notifying.until(lambda: _told(registry) == 12)
        assert len(sink.sent) == 4
        assert redis.used() == listed("notifier")


def _told(registry: CollectorRegistry) -> float:
    values = [
        registry.get_sample_value("accountpulse_deliveries_total", {"sink": "recorder", "fate": fate.value})
        for fate in Fate
    ]
    return sum(filter(None, values))


async def test_who_checks(settings):
    """`check` finds what it looks for in Redis, by the rights of who runs it."""
    with guarded(settings) as redis:
        [found] = await _redis(redis.allow("checker", listed("who runs")))
        assert found.status is Status.OK
        assert listed("who runs") == {"info"}


@pytest.mark.parametrize("command", ["hgetall", "hset"])
async def test_a_notifier_says_what_it_may_not_do(settings, command):
    """Refused, a notifier waits, names the command, and goes on once it may."""
    with guarded(settings) as redis:
        notifier, sink = redis.allow("notifier", listed("notifier") - {command}), notifying.Recorder()
        await notifying.publish(settings, notifying.alerts_of(3, 1))
        with capture_logs() as told:
            async with notifying.running(notifier, sink):
                await notifying.until(lambda: f"no permissions to run the '{command}' command" in str(told))
                assert SECRET not in str(told)
                assert "a-0" not in str(told)
                redis.admin.execute_command("ACL", "SETUSER", "notifier", f"+{command}")
                await notifying.until(lambda: len(sink.sent) >= 3)
        assert {account for account, _ in sink.sent} == {"a-0", "a-1", "a-2"}
