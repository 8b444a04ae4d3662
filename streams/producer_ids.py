"""Asking the transaction coordinator for a producer epoch: a new one, or the next one of an epoch that is still ours.

aiokafka knows version 0 of the request only. Version 3 (Kafka 2.5) also takes the producer id and epoch that the
caller holds, and refuses if somebody else was given a later one: a renewal can then not shut its successor out.
"""

from __future__ import annotations

from typing import Any, Final

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactString, Int16, Int32, Int64, Schema, TaggedFields

_TIMEOUT_MS: Final = 60_000  # demanded by the protocol; no transaction is ever open
NONE: Final = -1
"""Producer id and epoch of a caller that holds none."""


class InitProducerIdResponse(Response):  # type: ignore[misc]  # aiokafka ships no types
    """What the coordinator grants."""

    API_KEY = 22
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("tags", TaggedFields),
    )


class InitProducerIdStruct(RequestStruct):  # type: ignore[misc]  # aiokafka ships no types
    """The request as it is sent."""

    FLEXIBLE_VERSION = True
    API_KEY = 22
    API_VERSION = 3
    RESPONSE_TYPE = InitProducerIdResponse
    SCHEMA = Schema(
        ("transactional_id", CompactString("utf-8")),
        ("transaction_timeout_ms", Int32),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("tags", TaggedFields),
    )


class InitProducerId(Request[InitProducerIdStruct]):  # type: ignore[misc]  # aiokafka ships no types
    """The next epoch of a transactional id; with `producer_id` and `epoch` only if those are the latest given."""

    API_KEY = 22

    def __init__(self, transactional_id: str, producer_id: int = NONE, epoch: int = NONE) -> None:
        self._arguments: tuple[Any, ...] = transactional_id, _TIMEOUT_MS, producer_id, epoch, {}

    def build(self, request_struct_class: type[InitProducerIdStruct]) -> InitProducerIdStruct:
        """The struct of the version that was negotiated."""
        return request_struct_class(*self._arguments)
