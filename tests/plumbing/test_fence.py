"""Fencing on a real broker: only the newest owner of a partition writes."""

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import DuplicateSequenceNumber, MessageSizeTooLargeError
from aiokafka.protocol.produce import ProduceRequest
from faust.types import TP

from streams import fence, topics
from streams.broker_time import WrongClockError
from streams.clock import Clock, wall_ms
from streams.fence import FencedWriter, ForeignRecordsError, StateLostError, compress_fast
from streams.flush import Outputs
from streams.kafka_clients import admin_client
from streams.outbox import FencedError
from streams.own_records import TERM_KEY
from streams.settings import Kafka, Settings
from streams.topics import HOUR_MS, ROW_BYTES
from tests.plumbing.own_kafka import own_kafka


@pytest.fixture
async def tp(kafka, topic_prefix) -> TP:
    return await topic(kafka.bootstrap, topic_prefix)


async def topic(bootstrap: str, prefix: str) -> TP:
    """The partition all writers are after."""
    await topics.create(Settings(topic_prefix=prefix, kafka=Kafka(bootstrap=bootstrap, partitions=2)))
    return TP(f"{prefix}state", 1)


@contextlib.asynccontextmanager
async def owner(
    bootstrap: str, tp: TP, batch: int = 100_000, clock: Clock = wall_ms, group: str = "group"
) -> AsyncIterator[FencedWriter]:
    """A writer of a group with connections of its own, to all outputs of a prefix."""
    compress_fast()
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, compression_type="lz4", max_batch_size=batch
    )
    async with producer:
        prefix = tp.topic.removesuffix("state")
        outputs = Outputs(*(prefix + name for name in ("state", "scores", "alerts", "dead-letters")))
        yield FencedWriter(group, outputs.all, producer, 10.0, clock)


def outbox(writer: FencedWriter, tp: TP, *keys: bytes):
    box = writer.outbox()
    box.put(tp, [(key, b"value of " + key) for key in keys], wall_ms())
    return box


async def keys_in(bootstrap: str, tp: TP) -> list[bytes]:
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed") as consumer:
        where = TopicPartition(*tp)
        consumer.assign([where])
        await consumer.seek_to_beginning(where)
        end = (await consumer.end_offsets([where]))[where]
        found: list[bytes] = []
        while await consumer.position(where) < end:
            found += [r.key for rs in (await consumer.getmany(timeout_ms=500)).values() for r in rs]
    return found


def forgetting(answer, tp: TP):
    """The answer of a broker that does not know where the batch of `tp` lies, and whether it took it: it may have no leader yet."""
    topics = [
        (
            topic,
            [
                (number, DuplicateSequenceNumber.errno, -1, *more)
                if (topic, number, code) == (*tp, 0)
                else (number, code, offset, *more)
                for number, code, offset, *more in partitions
            ],
        )
        for topic, partitions in answer.topics
    ]
    return SimpleNamespace(topics=topics), topics != list(answer.topics)


async def test_newer_owner_shuts_the_older_out(kafka, tp):
    """Once a second writer has taken a partition, nothing of the first one reaches the log."""
    async with owner(kafka.bootstrap, tp) as old, owner(kafka.bootstrap, tp) as new:
        await old.acquire([tp.partition])
        await old.write(outbox(old, tp, b"a"))
        late = outbox(old, tp, b"b")
        assert (await new.acquire([tp.partition]))[tp] == 2
        with pytest.raises(FencedError, match=r"state\[1\]: epoch 0 is over"):
            await old.write(late)
        await new.write(outbox(new, tp, b"c"))
    assert await keys_in(kafka.bootstrap, tp) == [TERM_KEY, b"a", TERM_KEY, b"c"]


async def test_writer_of_another_group_is_noticed(kafka, tp):
    """Epochs of two groups know nothing of each other: whoever finds records of others between its own in the changelog says so."""
    async with owner(kafka.bootstrap, tp) as first, owner(kafka.bootstrap, tp, group="other") as second:
        await first.acquire([tp.partition])
        await first.write(outbox(first, tp, b"a"))
        await first.write(outbox(first, tp, b"b"))
        await first.renew([tp.partition])
        await first.write(outbox(first, tp, b"c"))
        await second.acquire([tp.partition])
        with pytest.raises(ForeignRecordsError, match=r"state\[1\], from offset 5 to 5; is there another"):
            await first.write(outbox(first, tp, b"d"))
        with pytest.raises(ForeignRecordsError, match=r"from offset 6 to 6;"):
            await second.write(outbox(second, tp, b"e"))
    async with owner(kafka.bootstrap, tp) as alone:
        await alone.acquire([tp.partition])
        await alone.write(outbox(alone, tp, b"f"))


async def test_zombie_cannot_renew(kafka, tp):
    """A writer that was replaced and does not know it is refused its renewal, and its successor writes on."""
    async with owner(kafka.bootstrap, tp) as old, owner(kafka.bootstrap, tp) as new:
        await old.acquire([tp.partition])
        assert (await old.renew([tp.partition]))[tp] == 1
        await new.acquire([tp.partition])
        with pytest.raises(FencedError, match="later epoch"):
            await old.renew([tp.partition])
        await new.write(outbox(new, tp, b"a"))
        await new.renew([tp.partition])
        await new.write(outbox(new, tp, b"b"))
    assert await keys_in(kafka.bootstrap, tp) == [TERM_KEY, TERM_KEY, TERM_KEY, b"a", TERM_KEY, b"b"]


async def test_term_nobody_confirmed_is_over(kafka, tp, monkeypatch):
    """A writer frozen for longer than brokers may remember its epoch writes and renews nothing, whatever they would say."""
    now = [wall_ms() - 48 * HOUR_MS]  # brokers refuse records of the future
    monkeypatch.setattr(fence, "expect_right_clock", lambda *_: None)
    async with owner(kafka.bootstrap, tp, clock=lambda: now[0]) as writer:
        await writer.acquire([tp.partition])
        now[0] += 11 * HOUR_MS
        await writer.write(outbox(writer, tp, b"a"))
        now[0] += 11 * HOUR_MS
        await writer.renew([tp.partition])
        late = outbox(writer, tp, b"b")
        now[0] += 13 * HOUR_MS
        with pytest.raises(FencedError, match="no broker confirmed epoch 1 for 13 h"):
            await writer.write(late)
        with pytest.raises(FencedError, match="no broker confirmed"):
            await writer.renew([tp.partition])
        await writer.acquire([tp.partition])
        await writer.write(outbox(writer, tp, b"c"))
    assert await keys_in(kafka.bootstrap, tp) == [TERM_KEY, b"a", TERM_KEY, TERM_KEY, b"c"]


FORGETFUL = {
    "producer.id.expiration.ms": "3000",
    "producer.id.expiration.check.interval.ms": "500",
    "transactional.id.expiration.ms": "3000",
    "transaction.remove.expired.transaction.cleanup.interval.ms": "500",
}


async def test_renewal_keeps_brokers_from_forgetting(topic_prefix):
    """With brokers that forget within seconds, renewals keep both the zombie before and the owner itself refusable."""
    async with own_kafka(FORGETFUL) as server:
        tp = await topic(server.bootstrap, topic_prefix)
        async with (
            owner(server.bootstrap, tp) as zombie,
            owner(server.bootstrap, tp) as held,
            owner(server.bootstrap, tp) as new,
        ):
            await zombie.acquire([tp.partition])
            await held.acquire([tp.partition])
            for _ in range(12):  # twice what either remembers, and nothing else is written
                await held.renew([tp.partition])
                await asyncio.sleep(0.5)
            with pytest.raises(FencedError, match="is over"):  # the leader remembers the partition's epoch
                await zombie.write(outbox(zombie, tp, b"zombie"))
            await new.acquire([tp.partition])
            with pytest.raises(FencedError, match="is over"):  # the coordinator remembers the partition's id
                await held.write(outbox(held, tp, b"held"))
            await new.write(outbox(new, tp, b"new"))
        assert set(await keys_in(server.bootstrap, tp)) == {TERM_KEY, b"new"}


@pytest.mark.parametrize("name", ["state", "scores", "alerts", "dead-letters"])
async def test_every_output_is_fenced(kafka, tp, name):
    """From the takeover on, before its successor wrote anything, nothing of a replaced writer reaches any output."""
    out = TP(tp.topic.removesuffix("state") + name, tp.partition)
    async with owner(kafka.bootstrap, tp) as old, owner(kafka.bootstrap, tp) as new:
        await old.acquire([tp.partition])
        await old.write(outbox(old, out, b"a"))
        late = outbox(old, out, b"b")
        await new.acquire([tp.partition])
        with pytest.raises(FencedError, match="is over"):
            await old.write(late)
    assert await keys_in(kafka.bootstrap, out) == [TERM_KEY, b"a", TERM_KEY]


async def test_outbox_keeps_the_term_it_was_made_in(kafka, tp):
    """What was encoded before a partition was lost is refused, even after the same writer took it again."""
    async with owner(kafka.bootstrap, tp) as writer:
        await writer.acquire([tp.partition])
        early = outbox(writer, tp, b"a")
        writer.release([tp.partition])
        with pytest.raises(FencedError, match="not owned"):
            outbox(writer, tp, b"b")
        await writer.acquire([tp.partition])
        with pytest.raises(FencedError, match="epoch 0 is over"):
            await writer.write(early)
    assert await keys_in(kafka.bootstrap, tp) == [TERM_KEY, TERM_KEY]


async def test_many_batches_arrive_once_and_in_order(kafka, tp):
    """An outbox of many batches is appended in order; writing it again appends nothing."""
    keys = [b"key-%05d" % n for n in range(3_000)]
    async with owner(kafka.bootstrap, tp, batch=16_384) as writer:
        await writer.acquire([tp.partition])
        box = outbox(writer, tp, *keys)
        box.close()
        assert len(box.batches[tp]) > 5
        last = list(box.batches[tp])[-3:]  # the broker remembers the last five
        assert await writer.write(box) == {tp: len(keys)}
        assert (box.batches, box.size) == ({}, 0), "what was written is still held"
        box.batches[tp] = deque(last)
        writer._terms[tp].following = None  # what is sent again lies where it lay
        await writer.write(box)
        assert await writer.write(writer.outbox()) == {}
    assert await keys_in(kafka.bootstrap, tp) == [TERM_KEY, *keys]


async def test_a_changelog_made_anew_is_noticed(kafka, tp):
    """What is appended below what was there before is the first row of a topic that was deleted meanwhile."""
    async with owner(kafka.bootstrap, tp) as writer:
        await writer.acquire([tp.partition])
        await writer.write(outbox(writer, tp, b"a", b"b"))
        settings = Settings(
            topic_prefix=tp.topic.removesuffix("state"), kafka=Kafka(bootstrap=kafka.bootstrap, partitions=2)
        )
        async with admin_client(settings.kafka) as admin:
            await admin.delete_topics([tp.topic])
            await asyncio.sleep(1)
        await topics.create(settings)
        with pytest.raises(StateLostError, match="held records up to offset 3, and ends at 0"):
            await writer.write(outbox(writer, tp, b"c"))


async def test_row_larger_than_a_batch_is_written(kafka, tp):
    """A row of three megabytes goes out as a batch of its own, in order, and a reader with small fetches gets it."""
    async with owner(kafka.bootstrap, tp) as writer:
        await writer.acquire([tp.partition])
        box = writer.outbox()
        box.put(tp, [(b"a", b"1"), (b"large", os.urandom(3 << 20)), (b"z", b"2")], wall_ms())
        assert await writer.write(box) == {tp: 3}
    assert await keys_in(kafka.bootstrap, tp) == [TERM_KEY, b"a", b"large", b"z"]


async def test_row_larger_than_the_topic_takes_is_named(kafka, tp):
    """A row that the broker refuses ends the write with its key, its size and the way out."""
    async with owner(kafka.bootstrap, tp) as writer:
        await writer.acquire([tp.partition])
        box = writer.outbox()
        box.put(tp, [(b"a", b"1"), (b"huge", os.urandom(ROW_BYTES + 1))], wall_ms())
        with pytest.raises(MessageSizeTooLargeError, match=r"bytes.*1 record.*b'huge'.*max.message.bytes"):
            await writer.write(box)


@pytest.mark.parametrize(
    ("wrong_s", "said"),
    [
        (50, ""),
        (-50, ""),
        (120, "by 1[12][0-9] s, being ahead"),
        (-120, "by 1[12][0-9] s, being behind"),
        # which topic a broker answers for first is its own affair: it refuses dates for some, and stamps the others
        (172_800, "by (more than that broker takes|172[89][0-9]{2} s, being ahead)"),
    ],
)
async def test_a_clock_that_is_wrong_is_noticed(kafka, tp, wrong_s, said):
    """Who takes a partition over learns from the broker what time it is, before a tick runs by a clock that is wrong."""
    async with owner(kafka.bootstrap, tp, clock=lambda: wall_ms() + 1000 * wrong_s) as writer:
        refused = pytest.raises(WrongClockError, match=f"the clock of this machine differs .*{said}")
        with refused if said else contextlib.nullcontext():
            assert await writer.acquire([tp.partition])


async def test_term_that_was_appended_unanswered_is_taken_again(kafka, tp, monkeypatch):
    """When the broker only says that the term record is there already, the next term is taken, whose place is known."""
    async with owner(kafka.bootstrap, tp) as writer:
        send, forgotten = writer._client.send, False

        async def send_and_forget(node, request, **options):
            nonlocal forgotten
            answer = await send(node, request, **options)
            if isinstance(request, ProduceRequest) and not forgotten:
                answer, forgotten = forgetting(answer, tp)
            return answer

        monkeypatch.setattr(writer._client, "send", send_and_forget)
        assert (await writer.acquire([tp.partition]))[tp] == 1
        await writer.write(outbox(writer, tp, b"a"))
    assert forgotten
    assert await keys_in(kafka.bootstrap, tp) == [TERM_KEY, TERM_KEY, b"a"]
