"""Roles that have nothing to write, and a broker that is away or refuses them: it shows, although nothing fails."""

import asyncio
import contextlib

from streams import topics
from streams.settings import Redis, Settings
from tests.plumbing.guarded_kafka import PASSWORD, guarded_kafka
from tests.plumbing.roles import environment_of, role
from tests.plumbing.worker_group import Child, until

SILENT = "no broker has answered"
REQUEST_TIMEOUT_S = 4


def are_ready(roles: list[Child]) -> bool:
    return all(child.get("/ready")[0] == 200 for child in roles)


def are_silent(roles: list[Child]) -> bool:
    told = [child.get("/ready") for child in roles]
    return all(status == 503 and SILENT in text for status, text in told)


async def test_a_silent_broker_shows_and_a_refusal_ends(redis_server, tmp_path):
    """Without a broker no role is ready, and none ends; with it all are ready again; with another password there all end with 3."""
    with guarded_kafka(["pulse"]) as kafka:
        settings = Settings(
            topic_prefix="silent.",
            kafka=kafka.settings_of("pulse", partitions=2, group="silent"),
            redis=Redis(url=redis_server.url, prefix=f"{tmp_path.name}:"),
        )
        await topics.create(settings)
        environment = environment_of(
            settings,
            KAFKA__GROUP="silent",
            KAFKA__REQUEST_TIMEOUT=str(REQUEST_TIMEOUT_S),
            KAFKA__SASL__MECHANISM="PLAIN",
            KAFKA__SASL__USERNAME="pulse",
            KAFKA__SASL__PASSWORD=PASSWORD,
            REDIS__PREFIX=settings.redis.prefix,
            SINKS__STDOUT="true",
        )
        with contextlib.ExitStack() as stack:
            roles = [
                stack.enter_context(role([name], environment, tmp_path))
                for name in ("worker", "notifier", "view")
            ]

            def logs() -> str:
                return "".join(child.log.read_text() for child in roles)

            await until(lambda: are_ready(roles), 60, logs)
            await asyncio.to_thread(kafka.server.kill)
            await until(lambda: are_silent(roles), 30, logs)
            await asyncio.to_thread(kafka.server.start)
            await until(lambda: are_ready(roles), 60, logs)
            assert [child.process.poll() for child in roles] == [None] * 3
            await asyncio.to_thread(kafka.server.kill)
            kafka.change_password("pulse", PASSWORD, "another")
            await asyncio.to_thread(kafka.server.start)
            await until(lambda: all(child.process.poll() is not None for child in roles), 60, logs)
            assert [child.process.poll() for child in roles] == [3] * 3
            for child in roles:
                assert "no broker can be used" in child.log.read_text()
                assert "Invalid username or password" in child.log.read_text()
                assert PASSWORD not in child.log.read_text()
