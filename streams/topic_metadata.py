"""What the brokers say about topics by name: whether they exist, how they are laid out, what may be done with them.

aiokafka knows the request up to version 5. Version 8 (Kafka 2.3) also tells which operations this principal is allowed
(KIP-430). To name a topic creates none: the request says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import TopicAuthorizationFailedError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

OPERATIONS: Final = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10}
"""Kafka's codes of operations."""
_UNTOLD: Final = -(2**31)
"""In place of operations, from brokers that do not tell."""


class TopicMetadata(NamedTuple):
    """A topic that this principal may see, or that there is at all without access control."""

    partitions: int
    replicas: int
    """The fewest of any partition."""
    operations: int | None
    """A bit for each code of OPERATIONS; None if the broker does not tell."""


class MetadataResponse(Response):  # type: ignore[misc]  # aiokafka ships no types
    """Brokers and topics."""

    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8"))),
        ),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
        ("cluster_operations", Int32),
    )


class MetadataStruct(RequestStruct):  # type: ignore[misc]  # aiokafka ships no types
    """The request as it is sent."""

    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = MetadataResponse
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_operations", Boolean),
        ("include_topic_operations", Boolean),
    )


class MetadataRequest(Request[MetadataStruct]):  # type: ignore[misc]  # aiokafka ships no types
    """Topics by name, with what may be done with them."""

    API_KEY = 3

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = list(topics)

    def build(self, request_struct_class: type[MetadataStruct]) -> MetadataStruct:
        """The struct of the version that was negotiated."""
        return request_struct_class(self._topics, False, False, True)


async def describe(
    admin: AIOKafkaAdminClient, names: Sequence[str]
) -> tuple[dict[str, TopicMetadata], set[str]]:
    """The topics that exist, and the names of which this principal may not even know whether they do.

    Raises aiokafka.errors.KafkaError or OSError if the broker cannot be asked.
    """
    try:
        answer: Any = await admin._send_request(MetadataRequest(names))  # noqa: SLF001 - it takes no request of ours
    except NotImplementedError:  # a broker that does not know version 8
        return await _described_by_all(admin, names), set()
    found, hidden = {}, set()
    for topic in answer.to_object()["topics"]:
        if for_code(topic["error_code"]) is TopicAuthorizationFailedError:
            hidden.add(topic["topic"])
        elif topic["partitions"]:
            found[topic["topic"]] = _metadata(topic, topic["operations"])
    return found, hidden


async def _described_by_all(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, TopicMetadata]:
    """From all topics: to name one may create it, in the versions that aiokafka knows."""
    topics = await admin.describe_topics()
    return {
        topic["topic"]: _metadata(topic, _UNTOLD)
        for topic in topics
        if topic["topic"] in names and topic["partitions"]
    }


def _metadata(topic: dict[str, Any], operations: int) -> TopicMetadata:
    replicas = min(len(partition["replicas"]) for partition in topic["partitions"])
    return TopicMetadata(len(topic["partitions"]), replicas, None if operations == _UNTOLD else operations)
