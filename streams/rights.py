"""Whether the principal of these settings may do what a role does, asked before the role does it.

Brokers without access control allow everything, those before 2.3 do not tell: then nothing is missing here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TransactionalIdAuthorizationFailed,
)

from streams.acls import Acl, Role, acls
from streams.kafka_clients import admin_client
from streams.settings import Settings
from streams.topic_metadata import OPERATIONS, describe

_COORDINATORS: Final = {"group": 0, "transactional-id": 1}
"""Kafka's types of coordinators."""


class MissingRightsError(OSError):
    """The brokers do not let a role do its work; the message says what it lacks, and how to get it."""


async def expect_rights(settings: Settings, role: Role) -> None:
    """Raises MissingRightsError, or aiokafka.errors.KafkaError or OSError if the broker cannot be asked."""
    async with admin_client(settings.kafka) as admin:
        lacking = await missing(admin, acls(settings, role))
    if lacking:
        raise MissingRightsError(f"{lacks(settings, lacking)}: {way_out(role)}")


async def expect_rights_still(settings: Settings, role: Role) -> None:
    """After an error of Kafka: raises MissingRightsError if that is why; clients of aiokafka do not always say so."""
    with contextlib.suppress(KafkaError, TimeoutError):
        await expect_rights(settings, role)


async def missing(admin: AIOKafkaAdminClient, needed: Iterable[Acl]) -> list[Acl]:
    """Which of these rights the brokers say we lack; a topic that does not exist lacks none.

    Of groups and transactional ids brokers only tell whether anything is allowed. What is `prefixed` is asked of the
    first name with that beginning.
    """
    needed = list(needed)
    topics, hidden = await describe(admin, sorted({acl.name for acl in needed if acl.resource == "topic"}))
    return [
        acl
        for acl in needed
        if (
            acl.name in hidden or _is_denied(topics[acl.name].operations, acl.operation)
            if acl.name in hidden or acl.name in topics
            else acl.resource in _COORDINATORS and await _is_unknown_to_coordinator(admin, acl)
        )
    ]


def lacks(settings: Settings, lacking: Iterable[Acl]) -> str:
    """Who lacks what, in words."""
    who = settings.kafka.sasl.username if settings.kafka.sasl else "this client"
    return f"{who} lacks rights in Kafka: {', '.join(map(str, lacking))}"


def way_out(role: Role) -> str:
    """How to give a role what it needs."""
    return f"`accountpulse topics acls {role}` prints the commands that give them"


def _is_denied(operations: int | None, operation: str) -> bool:
    return operations is not None and not operations >> OPERATIONS[operation] & 1


async def _is_unknown_to_coordinator(admin: AIOKafkaAdminClient, acl: Acl) -> bool:
    try:
        await admin.find_coordinator(
            acl.name + "0" * (acl.pattern == "prefixed"), _COORDINATORS[acl.resource]
        )
    except (GroupAuthorizationFailedError, TransactionalIdAuthorizationFailed):
        return True
    except KafkaError:  # a new cluster has none for a moment; whoever needs it asks again
        return False
    return False
