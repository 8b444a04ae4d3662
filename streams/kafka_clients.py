"""What every Kafka client of the product is given: address, TLS and SASL, and the administrator's client."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streams.grown_inputs import METADATA_MAX_AGE_MS
from streams.settings import Kafka

_AGAIN_S: Final = 0.2
_BATCH_BYTES: Final = 900_000


class RefusedError(KafkaConnectionError):  # type: ignore[misc]  # aiokafka ships no types
    """No broker can be used, and one of them does not take our password or certificate, or shows a wrong one."""


def client_arguments(kafka: Kafka) -> dict[str, Any]:
    """Keyword arguments common to aiokafka's consumer, producer and admin client.

    Raises OSError or ssl.SSLError naming an unusable certificate file.
    """
    arguments: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap,
        "client_id": kafka.client_id,
        "security_protocol": f"{'SASL_' if kafka.sasl else ''}{'SSL' if kafka.tls.enabled else 'PLAINTEXT'}",
        "ssl_context": kafka.tls.context(),
    }
    if kafka.sasl:
        arguments |= {
            "sasl_mechanism": kafka.sasl.mechanism,
            "sasl_plain_username": kafka.sasl.username,
            "sasl_plain_password": kafka.sasl.password.get_secret_value(),
        }
    return arguments


@contextlib.asynccontextmanager
async def admin_client(kafka: Kafka) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client, closed at the end.

    Raises RefusedError or another KafkaConnectionError that says why no broker can be used.
    """
    timeout = int(kafka.request_timeout * 1000)
    client = AIOKafkaAdminClient(**client_arguments(kafka), request_timeout_ms=timeout)
    try:
        try:
            await client.start()
        except KafkaConnectionError:
            raise await _why_none(kafka) from None
        yield client
    finally:
        await client.close()


async def _why_none(kafka: Kafka) -> KafkaConnectionError:
    """What each address says to a connection; aiokafka tells that its log alone."""
    arguments = client_arguments(kafka)
    reasons, kind = list[str](), KafkaConnectionError
    for host, port, _ in collect_hosts(arguments.pop("bootstrap_servers"), randomize=False):
        try:
            connection = await create_conn(
                host, port, request_timeout_ms=int(kafka.request_timeout * 1000), **arguments
            )
        except (KafkaError, OSError) as error:  # a time-out is an OSError
            reasons.append(f"{host}:{port}: {error or type(error).__name__}")
            kind = RefusedError if _is_refusal(error) else kind
        else:
            connection.close()
            reasons.append(f"{host}:{port}: connects, but does not describe the cluster")
    return kind(f"no broker can be used: {'; '.join(reasons)}")


def _is_refusal(error: Exception) -> bool:
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return False  # a broker that ended in the middle of a handshake
    return isinstance(error, SaslAuthenticationFailed | UnsupportedSaslMechanismError | ssl.SSLError)


async def committed_offsets(
    kafka: Kafka, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata]:
    """What the group of the settings has committed, asked from outside of it.

    Raises KafkaError when no coordinator answers within the write deadline: a new cluster has none for a moment.
    """
    until = time.monotonic() + kafka.write_deadline
    async with admin_client(kafka) as admin:
        while True:
            try:
                found = await admin.list_consumer_group_offsets(kafka.group, partitions=partitions)
            except KafkaError as error:
                if not error.retriable or time.monotonic() > until:
                    raise
                await asyncio.sleep(_AGAIN_S)
            else:
                return {tp: position for tp, position in found.items() if position.offset >= 0}


def batch_producer(kafka: Kafka) -> AIOKafkaProducer:
    """The producer behind the worker's own batches, not started."""
    return AIOKafkaProducer(
        **client_arguments(kafka),
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        max_batch_size=_BATCH_BYTES,
        max_request_size=_BATCH_BYTES + 100_000,
        request_timeout_ms=int(kafka.request_timeout * 1000),
        metadata_max_age_ms=METADATA_MAX_AGE_MS,
    )
