"""The rights of a role as they are printed: the same as calls of kafka-acls, as JSON, and as they are asked for."""

import json
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from streams.acls import Acl, Role, acls, commands
from streams.cli.main import app
from streams.settings import Settings

TOPICS = (
    "usage",
    "tickets",
    "invoices",
    "surveys",
    "accounts",
    "engagement",
    "state",
    "scores",
    "alerts",
    "dead-letters",
)


def told(words):
    """The rights that a call of kafka-acls gives."""
    options = list(pairwise(words))
    [pattern] = [value for name, value in options if name == "--resource-pattern-type"]
    [operation] = [value for name, value in options if name == "--operation"]
    kinds = {"--topic": "topic", "--group": "group", "--transactional-id": "transactional-id"}
    return [Acl(kinds[name], value, pattern, operation) for name, value in options if name in kinds]


@pytest.mark.parametrize("role", Role)
def test_calls_give_what_is_needed(role):
    """The calls for a role give exactly its rights, to the principal that is named; as JSON they are the same."""
    settings = Settings()
    calls = commands(settings, "User:ann", acls(settings, role))
    assert [acl for words in calls for acl in told(words)] == acls(settings, role)
    assert all(words[5] == "User:ann" for words in calls)
    answer = CliRunner().invoke(app, ["topics", "acls", role.value, "--json"])
    assert [Acl(**each) for each in json.loads(answer.stdout)] == acls(settings, role)


def test_nobody_may_do_more_than_its_work():
    """Inputs are written by producers alone, outputs by the worker, and `state` is read by nobody else."""
    settings = Settings()
    may = {
        operation: {
            topic: {role for role in Role for acl in acls(settings, role)
                    if (acl.name, acl.operation) == (settings.topic_prefix + topic, operation)}
            for topic in TOPICS
        }
        for operation in ("Read", "Write")
    }  # fmt: skip
    assert {tuple(roles) for topic, roles in may["Write"].items() if topic in TOPICS[:6]} == {
        (Role.PRODUCER,)
    }
    assert [may["Write"][topic] for topic in TOPICS[6:9]] == [{Role.WORKER}] * 3
    assert may["Write"]["dead-letters"] == {Role.WORKER, Role.NOTIFIER}
    assert may["Read"]["state"] == {Role.WORKER}
    assert may["Read"]["alerts"] == {Role.NOTIFIER}
