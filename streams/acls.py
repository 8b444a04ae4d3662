"""What each role has to be allowed on a Kafka with access control lists: no more, and nothing less."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Final, NamedTuple

from scoring.events import SOURCES
from streams.settings import Settings
from streams.topics import Purpose

_OUTPUTS: Final = (Purpose.STATE, Purpose.SCORES, Purpose.ALERTS, Purpose.DEAD_LETTERS)


class Role(StrEnum):
    """Who may have a principal of its own."""

    WORKER = "worker"
    NOTIFIER = "notifier"
    VIEW = "view"
    PRODUCER = "producer"
    """`accountpulse produce`, and whoever else sends events."""
    READER = "reader"
    """`accountpulse dead-letters list`."""
    SETUP = "setup"
    """`accountpulse topics create` and `topics check`."""


class Acl(NamedTuple):
    """One right, in the words of `kafka-acls`."""

    resource: str
    """topic, group or transactional-id"""
    name: str
    pattern: str
    """literal, or prefixed: whatever begins with the name"""
    operation: str

    def __str__(self) -> str:
        return f"{self.operation} on {self.resource} {self.name}{'*' * (self.pattern == 'prefixed')}"


def acls(settings: Settings, role: Role) -> list[Acl]:
    """What a role of these settings needs; Read and Write include Describe."""
    return list(_NEEDS[role](settings))


def commands(settings: Settings, principal: str, needed: Sequence[Acl]) -> list[list[str]]:
    """Calls of `kafka-acls` that give these rights to a principal, as `User:ann`."""
    head = [
        "kafka-acls",
        "--bootstrap-server",
        settings.kafka.bootstrap,
        "--add",
        "--allow-principal",
        principal,
    ]
    calls = []
    for (resource, pattern, operation), some in groupby(
        needed, lambda a: (a.resource, a.pattern, a.operation)
    ):
        names = [word for acl in some for word in (f"--{resource}", acl.name)]
        calls.append([*head, "--operation", operation, "--resource-pattern-type", pattern, *names])
    return calls


def _worker(settings: Settings) -> Iterator[Acl]:
    group = settings.kafka.group
    yield from _topics(settings, (*SOURCES, Purpose.STATE), "Read")
    yield from _topics(settings, _OUTPUTS, "Write")
    yield from _topics(settings, (*SOURCES, *_OUTPUTS), "DescribeConfigs")
    yield Acl("group", group, "literal", "Read")
    # the epochs that keep out who was replaced: an id for each partition
    yield Acl("transactional-id", f"{group}-{settings.topic_prefix}{Purpose.STATE}-", "prefixed", "Write")


def _notifier(settings: Settings) -> Iterator[Acl]:
    yield from _topics(settings, (Purpose.ALERTS,), "Read")
    yield from _topics(settings, (Purpose.DEAD_LETTERS,), "Write")
    yield Acl("group", f"{settings.kafka.group}-notifier-", "prefixed", "Read")  # one for each sink


def _view(settings: Settings) -> Iterator[Acl]:
    yield from _topics(settings, (Purpose.SCORES,), "Read")


def _producer(settings: Settings) -> Iterator[Acl]:
    yield from _topics(settings, SOURCES, "Write")


def _reader(settings: Settings) -> Iterator[Acl]:
    yield from _topics(settings, (Purpose.DEAD_LETTERS,), "Read")


def _setup(settings: Settings) -> Iterator[Acl]:
    for operation in ("Create", "Describe", "DescribeConfigs"):
        yield Acl("topic", settings.topic_prefix, "prefixed", operation)


def _topics(settings: Settings, names: Sequence[str], operation: str) -> Iterator[Acl]:
    for name in names:
        yield Acl("topic", settings.topic_prefix + name, "literal", operation)


_NEEDS: Final = {
    Role.WORKER: _worker,
    Role.NOTIFIER: _notifier,
    Role.VIEW: _view,
    Role.PRODUCER: _producer,
    Role.READER: _reader,
    Role.SETUP: _setup,
}
