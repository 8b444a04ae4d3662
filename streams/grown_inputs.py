"""Inputs that grow under a worker: Kafka allows it, and from then on keys move to partitions that nobody reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aiokafka.cluster import ClusterMetadata

METADATA_MAX_AGE_MS: Final = 10_000
"""How long it takes to notice, at most: until the metadata is asked for again."""


class GrownInputError(Exception):
    """An input has more partitions than the group was made for."""


def expect_counts(cluster: ClusterMetadata, inputs: Iterable[str], wanted: int) -> None:
    """Raises GrownInputError if what is known of the cluster holds more partitions of an input than `wanted`.

    Fewer there cannot be, but in an answer of a broker that does not know all of them yet.
    """
    for topic in inputs:
        count = len(cluster.partitions_for_topic(topic) or ())
        if count > wanted:
            raise GrownInputError(
                f"{topic} has {count} partitions, but the setting says {wanted}: what lies on the others is not read, "
                "and accounts are split; choose a new ACCOUNTPULSE_TOPIC_PREFIX and produce the events again"
            )
