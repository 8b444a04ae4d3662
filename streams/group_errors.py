"""Errors of the group that aiokafka keeps until somebody asks for them; its coordinator stands still meanwhile.

aiokafka's `getmany` asks, and ours replaces it. A broker that has not read the group's log yet refuses a member that
joins, for example: unheard, that member would wait for its partitions for ever.
"""
# ruff: noqa: SLF001 - aiokafka has no public way to the errors of its coordinator

from __future__ import annotations

from typing import Final

import structlog
from aiokafka import errors as kafka_errors
from aiokafka.consumer.group_coordinator import GroupCoordinator

from streams.table import Fail

_FINAL: Final = (
    kafka_errors.GroupAuthorizationFailedError,
    kafka_errors.TopicAuthorizationFailedError,
    kafka_errors.InconsistentGroupProtocolError,
    kafka_errors.InvalidSessionTimeoutError,
    kafka_errors.InvalidGroupIdError,
)
"""What no further try changes."""

log = structlog.get_logger(__name__)


def hear(coordinator: GroupCoordinator, fail: Fail) -> None:
    """Let the coordinator try again after an error; report one that is final, or that it did not survive.

    For the thread of the consumer.
    """
    if coordinator._closing.done():
        return
    try:
        coordinator.check_errors()
    except _FINAL as error:
        fail(error)
    except kafka_errors.KafkaError as error:
        if coordinator._coordination_task.done():
            fail(error)
        else:
            log.warning("the group refused a step; it is tried again", error=str(error))
