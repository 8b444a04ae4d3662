"""Whether the principal of these settings may do what a role does, asked before the role does it.

Brokers without access control allow everything, those before 2.3 do not tell: then nothing is missing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TransactionalIdAuthorizationFailed,
)

from streams.acls import Acl, Role, acls
from streams.kafka_clients import RefusedError, admin_client
from streams.settings import Settings
from streams.topic_metadata import OPERATIONS, TopicMetadata, describe

_ASKED: Final = {("group", "literal"): 0, ("transactional-id", "prefixed"): 1}
"""What a coordinator is asked for, and Kafka's type of that coordinator."""


class MissingRightsError(OSError):
    """The brokers do not let a role do its work; the message says what it lacks, and how to get it."""


async def expect_rights(settings: Settings, role: Role) -> None:
    """Raises MissingRightsError, or aiokafka.errors.KafkaError or OSError if the broker cannot be asked."""
    async with admin_client(settings.kafka) as admin:
        lacking = await missing(admin, acls(settings, role))
    if lacking:
        raise MissingRightsError(f"{lacks(settings, lacking)}: {way_out(role)}")


async def expect_rights_still(settings: Settings, role: Role) -> None:
    """After an error of Kafka: raises MissingRightsError or RefusedError if that is why; its client may not say so."""
    try:
        await expect_rights(settings, role)
    except RefusedError:
        raise
    except (KafkaError, TimeoutError):
        pass


async def missing(admin: AIOKafkaAdminClient, needed: Sequence[Acl]) -> list[Acl]:
    """Which of these rights the brokers say we lack; a topic that does not exist lacks none.

    Of groups and transactional ids brokers only tell whether anything is allowed, and only by a whole name: a
    transactional id is asked for as that of partition 0, and groups that are told by their beginning are not.
    """
    topics, hidden = await describe(admin, sorted({acl.name for acl in needed if acl.resource == "topic"}))
    return [
        acl
        for acl in needed
        if (
            acl.name in hidden or _is_denied(topics.get(acl.name), acl.operation)
            if acl.resource == "topic"
            else await _is_unknown_to_coordinator(admin, acl)
        )
    ]


def lacks(settings: Settings, lacking: Iterable[Acl]) -> str:
    """Who lacks what, in words."""
    who = settings.kafka.sasl.username if settings.kafka.sasl else "this client"
    return f"{who} lacks rights in Kafka: {', '.join(map(str, lacking))}"


def way_out(role: Role) -> str:
    """How to give a role what it needs."""
    return f"`accountpulse topics acls {role}` prints the commands that give them"


def _is_denied(topic: TopicMetadata | None, operation: str) -> bool:
    told = None if topic is None else topic.operations
    return told is not None and not told >> OPERATIONS[operation] & 1


async def _is_unknown_to_coordinator(admin: AIOKafkaAdminClient, acl: Acl) -> bool:
    name = acl.name if acl.pattern == "literal" else f"{acl.name}0"
    if (acl.resource, acl.pattern) not in _ASKED:
        return False
    try:
        await admin.find_coordinator(name, _ASKED[acl.resource, acl.pattern])
    except (GroupAuthorizationFailedError, TransactionalIdAuthorizationFailed):
        return True
    except KafkaError:  # a new cluster has none for a moment; whoever needs it asks again
        return False
    return False
