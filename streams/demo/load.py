"""An endless load: the past of a believable fleet at once, then its everyday usage in real time at a rate.

The rate comes from telling the same work in smaller pieces: each weekday repeats what its accounts did on that day
of the last week, with the quantities divided, so that scores stay those of the fleet whatever the rate is.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from scoring.events import SOURCES
from scoring.times import DAY, iso
from streams.clock import Clock
from streams.kafka_clients import client_arguments
from streams.partitioner import partition_of
from streams.settings import Settings

_BURST_S: Final = 0.05
_WEEK: Final = 7


class EverydayUsage:
    """Numbers the events of a day, evenly spread; the same number of the same day is always the same event."""

    def __init__(self, history: Sequence[tuple[int, bytes]], rate: float) -> None:
        """`history` as (time in milliseconds, JSON line) in time order; `rate` in events a second.

        Raises ValueError if nothing was used in its last week.
        """
        self._rate = rate
        self._weekdays: list[list[dict[str, Any]]] = [[] for _ in range(_WEEK)]
        since = history[-1][0] - _WEEK * DAY
        for at, line in history:
            if at > since and (event := msgspec.json.decode(line))["type"] == "usage":
                self._weekdays[at // DAY % _WEEK].append(event)
        self._busiest = max(self._weekdays, key=len)
        if not self._busiest:
            raise ValueError("nothing was used in the last week of this history")

    def number(self, now: int) -> int:
        """Of the first event that is yet to come at this time, counted from the start of time."""
        return int(now * self._rate / 1000) + 1

    def event(self, number: int) -> tuple[str, bytes]:
        """Account id and JSON line."""
        at = int(number * 1000 / self._rate)
        day = at // DAY
        usual = self._weekdays[day % _WEEK] or self._busiest
        a_day = self._rate * DAY / 1000
        turn, place = divmod(number - math.ceil(day * a_day), len(usual))
        model = usual[place]
        event = {
            "type": "usage",
            "event_id": f"live-{number}",
            "account_id": model["account_id"],
            "ts": iso(at),
            "user_id": model["user_id"],
            "feature": model["feature"],
            "quantity": _piece(model["quantity"], turn, max(1, int(a_day / len(usual)))),
        }
        return model["account_id"], msgspec.json.encode(event)


def _piece(quantity: float, turn: int, turns: int) -> float:
    """What of a quantity is told at a turn: all turns together tell it exactly, to the thousandth."""
    whole = round(quantity * 1000)
    return (whole * min(turn + 1, turns) // turns - whole * min(turn, turns) // turns) / 1000


async def inputs_are_empty(settings: Settings) -> bool:
    """Whether no input topic ever had a record. Raises aiokafka.errors.KafkaError."""
    tps = [
        TopicPartition(settings.topic_prefix + source, number)
        for source in SOURCES
        for number in range(settings.kafka.partitions)
    ]
    async with AIOKafkaConsumer(**client_arguments(settings.kafka)) as consumer:
        return not any((await consumer.end_offsets(tps)).values())


async def produce_live(settings: Settings, usage: EverydayUsage, clock: Clock) -> None:
    """Send what is due, until cancelled. Raises aiokafka.errors.KafkaError."""
    partitions, topic = settings.kafka.partitions, f"{settings.topic_prefix}usage"
    due = usage.number(clock())
    async with AIOKafkaProducer(
        **client_arguments(settings.kafka), enable_idempotence=True, linger_ms=10
    ) as producer:
        while True:
            first, due = due, usage.number(clock())
            futures = []
            for number in range(first, due):
                account, line = usage.event(number)
                key = account.encode()
                where = partition_of(key, partitions)
                futures.append(await producer.send(topic, line, key=key, partition=where))
            await asyncio.gather(*futures)
            await asyncio.sleep(_BURST_S)
