"""Access control lists of a real Kafka: what each role needs, no more and no less, and what it says without."""

import asyncio
import json
import shlex

import pytest

from scoring.times import iso
from streams import topics
from streams.acls import Role, acls
from streams.cli.check_result import Status
from streams.cli.check_rights import look_at_rights
from streams.clock import wall_ms
from streams.kafka_clients import admin_client
from streams.rights import missing
from streams.settings import Settings
from tests.endings import assert_checked, assert_ends, rows
from tests.plumbing.guarded_kafka import PASSWORD, guarded_kafka
from tests.plumbing.roles import environment_of, is_ready, role, total, typed
from tests.plumbing.worker_group import until

PARTITIONS = 2
pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def guarded():
    with guarded_kafka(Role, listed=True) as kafka:
        yield kafka


def settings_of(guarded, user, prefix, **more):
    kafka = guarded.settings_of(user, partitions=PARTITIONS, group=f"{prefix}group")
    return Settings(topic_prefix=prefix, kafka=kafka, **more)


def names_of(guarded, user, prefix, redis=None):
    """The settings of a process, without the prefix of variables."""
    return {
        "TOPIC_PREFIX": prefix,
        "KAFKA__BOOTSTRAP": guarded.address,
        "KAFKA__GROUP": f"{prefix}group",
        "KAFKA__PARTITIONS": PARTITIONS,
        "KAFKA__REQUEST_TIMEOUT": 10,
        "KAFKA__SASL__MECHANISM": "PLAIN",
        "KAFKA__SASL__USERNAME": user,
        "KAFKA__SASL__PASSWORD": PASSWORD,
        "PROBES__HOST": "127.0.0.1",
        "PROBES__PORT": 0,
        "REDIS__URL": redis.url if redis else "redis://127.0.0.1:1/0",
        "SINKS__STDOUT": "true",
        "ENGINE__COLD_START_HOURS": 10**6,
        "ENGINE__TICK": 1,
    }


def environment(guarded, user, prefix, redis=None):
    return environment_of(settings_of(guarded, user, prefix), **names_of(guarded, user, prefix, redis))


async def expect_missing(settings, needed, wanted):
    """What is granted and taken takes a moment to reach the broker."""

    async def same():
        async with admin_client(settings.kafka) as admin:
            return await missing(admin, needed) == wanted

    async with asyncio.timeout(10):
        while not await same():
            await asyncio.sleep(0.05)


async def prepared(guarded, prefix, user):
    """Topics, and a role with all its rights."""
    await topics.create(settings_of(guarded, "admin", prefix))
    settings = settings_of(guarded, user, prefix)
    await guarded.grant(user, acls(settings, user))
    await expect_missing(settings, acls(settings, user), [])
    return settings


async def test_printed_rights_are_enough(guarded, redis_server, topic_prefix, tmp_path):
    """With nothing but the rights that are printed topics are made, events sent and scored, alerts delivered, scores viewed, dead letters listed; Kafka's own program takes what is printed."""
    lines = [
        {"type": "ticket", "action": "opened", "ticket_id": "T-1", "complaint": True},
        {"type": "nonsense"},
    ]
    lines = [line | {"event_id": "t", "account_id": "a-1", "ts": iso(wall_ms() - 1000)} for line in lines]
    (tmp_path / "events.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def of(user):
        return environment(guarded, user, topic_prefix, redis_server)

    def answer(user, *words):
        done = typed(list(words), of(user), tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    printed = answer(Role.NOTIFIER, "topics", "acls", "notifier", "--principal", "User:notifier").splitlines()
    await asyncio.gather(*(guarded.typed(shlex.split(line)) for line in printed))
    for user in set(Role) - {Role.NOTIFIER}:
        await guarded.grant(user, acls(settings_of(guarded, user, topic_prefix), user))
    assert answer("setup", "topics", "create").count("created") == 10
    assert "as they should be" in answer("setup", "topics", "check")
    answer("producer", "produce", "events.ndjson")
    with role(["worker"], of("worker"), tmp_path) as worker:
        await until(lambda: total(worker, "accountpulse_events_total") == 2, 60, worker.log.read_text)
        with role(["notifier"], of("notifier"), tmp_path) as notifier:
            await until(lambda: b"complaint" in notifier.log.read_bytes(), 60, notifier.log.read_text)
        with role(["view"], of("view"), tmp_path) as view:
            name = "accountpulse_view_records_total"
            await until(lambda: total(view, name, fate="applied") and is_ready(view), 60, view.log.read_text)
    assert "a-1" in answer("view", "accounts")
    assert "unknown_type" in answer("reader", "dead-letters", "list")


@pytest.mark.parametrize("user", [Role.WORKER, Role.NOTIFIER, Role.VIEW])
async def test_every_right_is_asked_for(user, guarded, topic_prefix):
    """Whichever right a role lacks, but for groups named after sinks, it is told; and nothing that it has, but for a topic that it cannot even see."""
    settings = await prepared(guarded, topic_prefix, user)
    needed = acls(settings, user)
    for acl in needed:
        if acl.resource == "group" and acl.pattern == "prefixed":
            continue  # only the coordinator of a sink's own group tells
        await guarded.revoke(user, [acl])
        of_topic = [other for other in needed if other.name == acl.name]
        seen = {other.operation for other in of_topic if other != acl} & {"Read", "Write"}
        hidden = acl.resource == "topic" and not seen
        await expect_missing(settings, needed, of_topic if hidden else [acl])
        await guarded.grant(user, [acl])


async def test_row(guarded, topic_prefix, monkeypatch):
    """A role that lacks a right ends before it has done anything, and names it and the way to get it; `check` says the same."""
    row = rows()["lacks rights"]
    for user, acl in ((Role.WORKER, 0), (Role.NOTIFIER, 1), (Role.VIEW, 0)):
        settings = await prepared(guarded, topic_prefix, user)
        lacking = acls(settings, user)[acl]
        await guarded.revoke(user, [lacking])
        exactly = row._replace(words=f"{user} lacks rights in Kafka: {lacking}")
        await asyncio.to_thread(assert_ends, exactly, [user], names_of(guarded, user, topic_prefix))
    await asyncio.to_thread(assert_checked, row, names_of(guarded, Role.NOTIFIER, topic_prefix), monkeypatch)


async def test_check_of_one_role(guarded, topic_prefix):
    """A principal that may run one role has no fault: what the others lack are notes, as the topics it cannot see."""
    settings = await prepared(guarded, topic_prefix, Role.VIEW)
    results = await look_at_rights(settings)
    assert [(r.status, r.text.split(":")[0]) for r in results] == [
        (Status.OK, "Kafka lets this principal run"), (Status.NOTE, "worker"), (Status.NOTE, "notifier")
    ]  # fmt: skip
    assert results[0].text.endswith(": view")
    problems = {finding.problem for finding in await topics.check(settings)}
    assert problems == {topics.Problem.HIDDEN}


@pytest.mark.parametrize(
    ("user", "at", "said"),
    [
        (Role.WORKER, 0, "TopicAuthorizationFailed"),
        (Role.WORKER, -2, "GroupAuthorizationFailed"),
        (Role.NOTIFIER, 0, "AuthorizationFailed"),
        (Role.VIEW, 0, "view lacks rights in Kafka: Read on topic"),
    ],
)
async def test_taken_away(user, at, said, guarded, redis_server, topic_prefix, tmp_path):
    """A role whose right is taken away while it runs ends with 3 and says why: it neither waits nor calls Kafka away."""
    settings = await prepared(guarded, topic_prefix, user)
    with role([user], environment(guarded, user, topic_prefix, redis_server), tmp_path) as child:
        await until(lambda: is_ready(child), 60, child.log.read_text)
        await guarded.revoke(user, [acls(settings, user)[at]])
        assert await asyncio.to_thread(child.process.wait, 40) == rows()["AuthorizationFailed"].code
    assert said in child.log.read_text()
