"""Static membership: a worker that is back under its name within the session gets its partitions, without a rebalance.

aiokafka joins with a name (`group.instance.id`), but does not say it in heartbeats and commits. The broker then tells a
worker whose name another process took over only that it does not know it; it would join again, take the name back, and
both would go on like that. With the name in every request the broker says FENCED_INSTANCE_ID, and the older one ends.
"""
# ruff: noqa: SLF001 - requests of aiokafka are rebuilt from what they hold

from __future__ import annotations

from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.api import Request, RequestStruct
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetCommitResponse_v3
from aiokafka.protocol.group import HeartbeatRequest, HeartbeatResponse_v1
from aiokafka.protocol.types import Array, Int32, Int64, Schema, String

from streams.table import Fail

_FENCED_INSTANCE_ID: Final = 82
_NO_LEADER_EPOCH: Final = -1


class InstanceTakenError(Exception):
    """Another process has joined the group under the name of this one."""


class _HeartbeatResponse(HeartbeatResponse_v1):  # type: ignore[misc]  # aiokafka ships no types
    API_VERSION = 3


class _HeartbeatStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 12
    API_VERSION = 3
    RESPONSE_TYPE = _HeartbeatResponse
    SCHEMA = Schema(
        ("group", String("utf-8")),
        ("generation_id", Int32),
        ("member_id", String("utf-8")),
        ("group_instance_id", String("utf-8")),
    )


class _Heartbeat(Request[_HeartbeatStruct]):  # type: ignore[misc]
    API_KEY = 12

    def __init__(self, plain: HeartbeatRequest, instance: str) -> None:
        self._fields = plain._group, plain._generation_id, plain._member_id, instance

    def build(self, request_struct_class: type[_HeartbeatStruct]) -> _HeartbeatStruct:
        return request_struct_class(*self._fields)


class _CommitResponse(OffsetCommitResponse_v3):  # type: ignore[misc]
    API_VERSION = 7


class _CommitStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 8
    API_VERSION = 7
    RESPONSE_TYPE = _CommitResponse
    _PARTITION = Schema(
        ("partition", Int32), ("offset", Int64), ("leader_epoch", Int32), ("metadata", String("utf-8"))
    )
    SCHEMA = Schema(
        ("group", String("utf-8")),
        ("generation_id", Int32),
        ("member_id", String("utf-8")),
        ("group_instance_id", String("utf-8")),
        ("topics", Array(("topic", String("utf-8")), ("partitions", Array(_PARTITION)))),
    )


class _Commit(Request[_CommitStruct]):  # type: ignore[misc]
    API_KEY = 8

    def __init__(self, plain: OffsetCommitRequest, instance: str) -> None:
        topics = [
            (topic, [(number, offset, _NO_LEADER_EPOCH, text) for number, offset, text in partitions])
            for topic, partitions in plain._topics
        ]
        generation, member = plain._consumer_group_generation_id, plain._consumer_id
        self._fields = plain._consumer_group, generation, member, instance, topics

    def build(self, request_struct_class: type[_CommitStruct]) -> _CommitStruct:
        return request_struct_class(*self._fields)


def keep_name(client: AIOKafkaClient, instance: str, fail: Fail) -> None:
    """Let a consumer's client say the name in all requests of a member; reports an InstanceTakenError."""
    send = client.send

    async def naming(node_id: int, request: Any, **options: Any) -> Any:  # noqa: ANN401 - aiokafka has no types
        if isinstance(request, HeartbeatRequest):
            request = _Heartbeat(request, instance)
        elif isinstance(request, OffsetCommitRequest):
            request = _Commit(request, instance)
        answer = await send(node_id, request, **options)
        if _FENCED_INSTANCE_ID in _codes(answer):
            fail(
                InstanceTakenError(
                    f"another process joined the group as {instance!r}: ACCOUNTPULSE_KAFKA__INSTANCE_ID must "
                    "differ between workers that run at the same time"
                )
            )
        return answer

    client.send = naming


def _codes(answer: Any) -> set[int]:  # noqa: ANN401
    if isinstance(answer, _CommitResponse):
        return {code for _, partitions in answer.topics for _, code in partitions}
    return {getattr(answer, "error_code", 0)}
