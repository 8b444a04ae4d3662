"""What a worker would find in the changelog: rows of a newer release, none, inputs that end before what was read.

Only the last records of each partition are looked at: an older release writes nothing behind newer rows, and the
newest rows carry the greatest offsets. An input that grew past its old end again looks whole, here as to a worker.
"""

from __future__ import annotations

from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from scoring.events import SOURCES
from scoring.row import RowVersionError, restore_rows
from scoring.state import Store
from streams.cli.check_result import Result, Status
from streams.kafka_clients import client_arguments, committed_offsets
from streams.own_records import is_own
from streams.settings import Settings
from streams.start_checks import changelog_ends, input_partitions, lost_state
from streams.topics import Purpose, partition_counts

RECORDS: Final = 500
"""Looked at from the end of each partition; the markers of transactions and terms are among them."""
LOST: Final = (
    "put the changelog back as it was; or delete its records, and take a new ACCOUNTPULSE_KAFKA__GROUP, which reads "
    "the inputs from their beginning"
)
_POLL_MS: Final = 500


async def look_at_state(settings: Settings) -> list[Result]:
    """Rows against this release, and their fences against the ends of the inputs.

    Raises aiokafka.errors.KafkaError or OSError if the broker cannot be asked.
    """
    counts = await partition_counts(settings)
    state = settings.topic_prefix + Purpose.STATE
    if state not in counts:
        return []  # the check of topics says so
    consumer = AIOKafkaConsumer(
        **client_arguments(settings.kafka), enable_auto_commit=False, auto_offset_reset="earliest",
        request_timeout_ms=int(settings.kafka.request_timeout * 1000),
    )  # fmt: skip
    try:
        await consumer.start()
        rows = await _last_rows(consumer, [TopicPartition(state, n) for n in range(counts[state])])
        tps = [TopicPartition(settings.topic_prefix + s, n) for s in SOURCES for n in rows]
        ends = await consumer.end_offsets([tp for tp in tps if tp.partition < counts.get(tp.topic, 0)])
        committed = await committed_offsets(settings.kafka, input_partitions(settings))
        changelog = await changelog_ends(consumer, settings, counts[state])
    except (TopicAuthorizationFailedError, GroupAuthorizationFailedError):
        text = "this principal may not read changelog and group: run the check as a worker's to have them looked at"
        return [Result("state", Status.NOTE, text)]
    finally:
        await consumer.stop()
    found = [fault for number, records in rows.items() for fault in _faults(settings, number, records, ends)]
    found += [
        Result("state", Status.ERROR, text, LOST) for text in lost_state(settings, committed, changelog)
    ]
    return found or [Result("state", Status.OK, "the newest rows can be read, and no input ends before them")]


async def _last_rows(
    consumer: AIOKafkaConsumer, tps: list[TopicPartition]
) -> dict[int, list[tuple[bytes, bytes | None]]]:
    """The last rows of each partition, in log order."""
    consumer.assign(tps)
    begins, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
    for tp in tps:
        consumer.seek(tp, max(begins[tp], ends[tp] - RECORDS))
    rows: dict[int, list[tuple[bytes, bytes | None]]] = {tp.partition: [] for tp in tps}
    while any([await consumer.position(tp) < ends[tp] for tp in tps]):
        for tp, records in (await consumer.getmany(timeout_ms=_POLL_MS)).items():
            rows[tp.partition] += [(r.key, r.value) for r in records if r.key and not is_own(r.key)]
    return rows


def _faults(
    settings: Settings,
    number: int,
    rows: list[tuple[bytes, bytes | None]],
    ends: dict[TopicPartition, int],
) -> list[Result]:
    store = Store()
    try:
        restore_rows(store, rows)
    except RowVersionError as error:
        return [
            Result("state", Status.ERROR, f"partition {number}: {error}", "install the newer release again")
        ]
    except Exception as error:  # noqa: BLE001 - whatever lies there: a worker would stop, too
        text = f"partition {number}: a row cannot be read: {type(error).__name__}: {error}"
        return [Result("state", Status.ERROR, text, "nothing but workers may write to this topic")]
    read = store.hot["fence"][: store.n].max(axis=0, initial=-1) + 1
    faults = []
    for source, name in enumerate(SOURCES):
        tp = TopicPartition(settings.topic_prefix + name, number)
        known = int(read[source])
        if known > ends.get(tp, known):
            text = f"{tp.topic}[{number}] ends at offset {ends[tp]}, but was read up to {known}"
            way_out = "the topic was created anew: a new group and a new topic prefix, or restore the topic"
            faults.append(Result("state", Status.ERROR, text, way_out))
    return faults
