"""Alerts from a real Kafka to Slack's API, over routes, with the delivery log in a real Redis."""

import asyncio
import random
import signal
from collections import Counter

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from redis.asyncio import Redis as RedisClient

from alerts.model import Phase, Reason, Severity
from alerts.sinks import slack as sink_module
from streams.clock import wall_ms
from streams.notifier import create_sinks
from streams.settings import Sinks, Slack
from tests.plumbing.notifying import buried, committed, make, prepared, process, publish, running, until
from tests.slack_server import TOKEN, ApiError, Channel, slack_server

ROUTES = """
receivers:
  - {name: owner, sink: slack, channel: "{owner}"}
  - {name: leads, sink: slack, channel: "#leads"}
owners: {dana: "#dana"}
route:
  receiver: owner
  group_wait: 2s
  routes:
    - {matchers: ['severity="critical"'], receiver: leads, group_wait: 0s}
"""


@pytest.fixture
async def server():
    async with slack_server() as state:
        state.channels |= {"#dana": Channel("C0DANA"), "#leads": Channel("C0LEADS")}
        yield state


@pytest.fixture
async def settings(kafka, redis_server, topic_prefix, server, tmp_path):
    base = await prepared(kafka, redis_server, topic_prefix)
    (tmp_path / "routes.yaml").write_text(ROUTES)
    slack = Slack(token=SecretStr(TOKEN), channel="#health", base_url=server.url, interval=0)
    return base.model_copy(update={"sinks": Sinks(slack=slack, routes=tmp_path / "routes.yaml")})


def mine(account, episode=1, **changes):
    """A warning about an account of dana."""
    return make(
        account, episode, severity=Severity.WARNING, attributes={"name": account, "owner": "dana"}, **changes
    )


def following(alert, **changes):
    """A later phase or revision of an alert."""
    values = {name: getattr(alert, name) for name in alert.__struct_fields__}
    return type(alert)(**(values | {"tick": wall_ms()} | changes))


def resolved(alert):
    return following(alert, phase=Phase.RESOLVED, reason=Reason.CONDITION_CLEARED, band="amber")


async def test_one_message_through_restarts(settings, server):
    """One message per episode: changed in place after one restart, resolved after another; nothing is sent twice."""
    fired = mine("Acme", band="amber")
    changed = following(fired, revision=1, reason=Reason.CHANGED, band="red")
    over = resolved(changed)
    for number, alert in enumerate((fired, changed, over)):
        await publish(settings, [alert])
        async with running(settings, *create_sinks(settings)):
            await until(lambda number=number: len(server.messages) == number + 1)
    told = [message.shown for message in server.messages[1:]]
    calls = len(server.calls)
    await publish(settings, [fired, changed, over, mine("last")])
    async with running(settings, *create_sinks(settings)):
        await until(lambda: len(server.messages) == 4)
    assert len(server.calls) == calls + 1
    assert told == ["Warning: Acme turned red (12.0 points)", "Resolved: Acme is amber again (12.0 points)"]
    message = server.top[0]
    assert (message.channel, message.edits) == ("C0DANA", 2)
    assert message.shown.startswith("Resolved: Acme is amber again")
    assert await committed(settings, "slack") == 7


async def test_emptied_redis(settings, server):
    """A resolve whose receipt is lost is posted as a message of its own."""
    fired = mine("Acme")
    await publish(settings, [fired])
    async with running(settings, *create_sinks(settings)):
        await until(lambda: server.messages)
        async with RedisClient.from_url(settings.redis.url) as client:
            await client.delete(*await client.keys(f"{settings.redis.prefix}*"))
        await publish(settings, [resolved(fired)])
        await until(lambda: len(server.messages) == 2)
    assert [message.shown.splitlines()[0] for message in server.top] == [
        "Warning: Acme turned red",
        "Resolved: Acme is amber again",
    ]


async def test_storm_becomes_one_message(settings, server):
    """Many alerts of one owner are one message, nothing of it is committed before; critical ones go to the leads at once."""
    registry = CollectorRegistry()
    alerts = [mine(f"a-{n}") for n in range(12)]
    critical = make("big", 1, attributes={"name": "Big", "owner": "dana"})
    async with running(settings, *create_sinks(settings), registry=registry):
        await publish(settings, [*alerts, critical])
        await until(lambda: server.messages)
        assert [message.channel for message in server.messages] == ["C0LEADS"]
        assert await committed(settings, "slack") <= 1
        await until(lambda: len(server.messages) == 2)
        await publish(settings, [resolved(alerts[7])])
        await until(lambda: len(server.messages) == 3)
    group = server.top[1]
    assert group.shown.startswith("12 alerts in 12 accounts (dana)")
    assert [reply.shown for reply in server.thread(group)] == ["Resolved: a-7 is amber again (12.0 points)"]
    assert await committed(settings, "slack") == 14
    assert registry.get_sample_value("accountpulse_deliveries_grouped_total", {"sink": "slack"}) == 12


async def test_cooldown_outlives_a_restart(settings, server):
    """After a restart the same account and rule firing again is left out with its end, and counted."""
    first, again = mine("Acme", 1), mine("Acme", 2)
    await publish(settings, [first])
    async with running(settings, *create_sinks(settings)):
        await until(lambda: server.messages)
    await publish(settings, [resolved(first), again, resolved(again), mine("Acme", 3, rule="churn_notice")])
    registry = CollectorRegistry()
    async with running(settings, *create_sinks(settings), registry=registry):
        await until(lambda: len(server.messages) == 3)
    assert [m.shown.splitlines()[0] for m in server.top] == [
        "Resolved: Acme is amber again",
        "Warning: Acme gave notice",
    ]
    cooled = {"sink": "slack", "fate": "cooldown"}
    assert registry.get_sample_value("accountpulse_deliveries_total", cooled) == 2
    assert await committed(settings, "slack") == 5


async def test_wrong_token_loses_nothing(settings, server, monkeypatch):
    """While Slack refuses the token all alerts wait and nothing is committed; with a right one they go out, once."""
    monkeypatch.setattr(sink_module, "PAUSE_S", 0.2)
    registry = CollectorRegistry()
    server.refuse = lambda _method, _body: ApiError("token_expired")
    await publish(settings, [mine(f"a-{n}") for n in range(4)])
    async with running(settings, *create_sinks(settings), registry=registry):
        await until(lambda: len(server.calls) >= 3)
        assert await committed(settings, "slack") == 0
        server.refuse = lambda _method, _body: None
        await until(lambda: len(server.messages) == 4)
    retries = {"sink": "slack", "cause": "credentials"}
    assert registry.get_sample_value("accountpulse_delivery_retries_total", retries) >= 3
    assert len({message.shown.splitlines()[0] for message in server.top}) == 4
    assert await buried(settings) == []


async def test_unknown_channels(settings, server):
    """An unknown channel is replaced by the default one; without that either, the alert is buried with the reason."""
    del server.channels["#dana"]
    async with running(settings, *create_sinks(settings)):
        await publish(settings, [mine("first")])
        await until(lambda: server.messages)
        server.channels.clear()
        await publish(settings, [mine("second")])
        await until(lambda: len(server.calls) == 4)
    assert [message.channel for message in server.top] == ["C0HEALTH"]
    (letter,) = await buried(settings)
    assert (letter.reason, letter.detail) == ("undeliverable", "slack: Slack answered channel_not_found")
    assert await committed(settings, "slack") == 2


async def test_slack_that_limits(settings, server):
    """At Slack's pace, with refusals, everything arrives once, and each account in order."""
    server.interval = 0.3
    fired = [make(f"a-{n}", 1, attributes={"name": f"a-{n}"}) for n in range(6)]
    async with running(settings, *create_sinks(settings)):
        await publish(settings, [*fired, *map(resolved, fired)])
        await until(lambda: len(server.messages) == 12, timeout=60)
    assert 429 in {status for *_, status, _ in server.calls}
    assert {len(server.thread(message)) for message in server.top} == {1}
    assert await committed(settings, "slack") == 12


@pytest.mark.fault
async def test_killed_while_a_group_waits(settings, server, tmp_path):
    """Through kill -9 every alert arrives; repeated is at most what was in the group, under its old ids."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    alerts = [mine(f"a-{n}") for n in range(30)]
    sinks = {
        "slack__token": TOKEN, "slack__channel": "#health", "slack__base_url": server.url, "slack__interval": 0,
        "routes": settings.sinks.routes,
    }  # fmt: skip
    await publish(settings, alerts)

    def heard() -> Counter[str]:
        return Counter(id_ for m in server.top for alert in alerts if (id_ := alert.id[:8]) in m.shown)

    for _ in range(3):
        with process(settings, tmp_path / "output", **sinks) as child:
            await asyncio.sleep(chance.uniform(1.0, 5.0))
            child.kill()
        assert await committed(settings, "slack") in {0, 30}
    with process(settings, tmp_path / "output", **sinks) as child:
        async with asyncio.timeout(60):
            while await committed(settings, "slack") < len(alerts):
                await asyncio.sleep(0.2)
        child.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(child.wait, 20) in {
            0,
            -signal.SIGTERM,
        }  # or an earlier one committed all
    assert set(heard()) == {alert.id[:8] for alert in alerts}
    assert max(heard().values()) <= 4
    assert await committed(settings, "slack") == 30
    assert TOKEN not in (tmp_path / "output").read_text()
