"""What brokers say about quotas, and what is known while they do not answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.fetch import FetchResponse_v11

from streams.answers import CLIENTS, Answers
from streams.fetched_ends import FetchedEnd, Lag, lag
from streams.kafka_clients import RefusedError
from streams.settings import Kafka

NOW = 1_000_000
STALE = 1_000


async def test_time_that_is_held_back_is_summed_by_client():
    """Each answer adds what it says to its own client; answers that say nothing of it add nothing."""
    answers = [FetchResponse_v11(held, 0, 0, []) for held in (250, 0, 1_000)] + [object()]

    async def send(node: int, request: object) -> object:
        return answers.pop(0)

    client, heard = SimpleNamespace(send=send), Answers(Kafka())
    heard.listen(client, CLIENTS[0])
    told = [await client.send(1, None) for _ in range(4)]
    assert isinstance(told[0], FetchResponse_v11)
    assert heard.held_s == {CLIENTS[0]: 1.25, CLIENTS[1]: 0.0}


@pytest.mark.parametrize(
    ("end", "position", "last_record_ms", "expected"),
    [
        (None, 5, NOW, Lag(0, 0.0)),
        (FetchedEnd(10, NOW - 200), 10, NOW - 90_000, Lag(0, 0.0)),
        (FetchedEnd(10, NOW - 200), 4, NOW - 90_000, Lag(6, 90.0)),
        (FetchedEnd(10, NOW - 200), 4, None, Lag(6, 0.0)),
        (FetchedEnd(10, NOW - 200), None, None, Lag(0, 0.0)),
        (FetchedEnd(10, NOW - STALE), 10, NOW, Lag(0, 0.0)),
        (FetchedEnd(10, NOW - 30_000), 10, NOW - 40_000, Lag(0, 30.0)),
        (FetchedEnd(10, NOW - 30_000), 4, NOW - 40_000, Lag(6, 40.0)),
        (FetchedEnd(10, NOW - 30_000), 4, NOW - 20_000, Lag(6, 30.0)),
        (FetchedEnd(10, NOW + 30_000), 4, NOW + 40_000, Lag(6, 0.0)),
    ],
)
def test_lag(end, position, last_record_ms, expected):
    """Whoever waits has waited since the last record taken, or since the last answer if that is long ago; clocks set back make it nothing."""
    assert lag(end, position, last_record_ms, NOW, STALE) == expected


async def test_silence_is_told_and_taken_back(monkeypatch):
    """After one and a half request time-outs without an answer a role says so, and until then asks nobody; an answer ends it."""
    now, asked = [100.0], []
    monkeypatch.setattr("streams.answers.time.monotonic", lambda: now[0])

    @contextlib.asynccontextmanager
    async def refused(kafka: Kafka) -> AsyncIterator[None]:
        asked.append(now[0])
        raise (RefusedError if len(asked) > 3 else KafkaConnectionError)("no broker can be used")
        yield

    monkeypatch.setattr("streams.answers.admin_client", refused)

    async def send(node: int, request: object) -> object:
        return object()

    client, heard = SimpleNamespace(send=send), Answers(Kafka(request_timeout=20))
    heard.listen(client, CLIENTS[0])
    now[0] += 30
    await heard.expect_welcome()
    assert (heard.silence(), asked) == ([], [])
    for later in (1, 2, 10):
        now[0] += later
        assert heard.silence() == [f"no broker has answered for {now[0] - 100:.0f} s"]
        await heard.expect_welcome()
    assert asked == [131, 133, 143]
    await client.send(1, None)
    now[0] += 30
    await heard.expect_welcome()
    assert (heard.silence(), len(asked)) == ([], 3)
    now[0] += 1
    with pytest.raises(RefusedError, match="no broker can be used"):
        await heard.expect_welcome()


async def test_a_refusal_ends_what_is_watched_and_an_end_ends_the_watch(monkeypatch):
    """What the watch finds ends the block that it is for; a block that ends, or fails by itself, ends the watch."""
    monkeypatch.setattr("streams.answers._ASK_S", 0.01)
    heard = Answers(Kafka())
    async with heard.watched():
        await asyncio.sleep(0.05)
    with pytest.raises(ValueError, match="of its own"):
        async with heard.watched():
            raise ValueError("of its own")
    assert len(asyncio.all_tasks()) == 1

    async def refused() -> None:
        raise RefusedError("no broker can be used")

    monkeypatch.setattr(heard, "expect_welcome", refused)
    with pytest.raises(RefusedError):
        async with heard.watched():
            await asyncio.sleep(30)
    assert len(asyncio.all_tasks()) == 1
