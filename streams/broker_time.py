"""Whether the clock of this machine is right, by what a broker stamps.

Ticks of quiet feeds, silence and due dates follow the clock of the worker. One that is an hour fast runs the ticks of
an hour that has not been, and nothing takes them back. A worker appends a record to `dead-letters`, which brokers
stamp, before it joins its group; so does every takeover.
"""

from __future__ import annotations

from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidTimestampError

from streams.clock import Clock
from streams.own_records import TIME_KEY

MOST_WRONG_MS: Final = 60_000
"""By how much the two clocks may differ."""
_LOG_APPEND_TIME: Final = 1
_NO_CLOCK_MS: Final = 10**12
"""Before 2001: an answer has -1 where whoever writes stamps the records, and the embedded broker is in 1970."""


class WrongClockError(Exception):
    """The clock of this machine differs from that of a broker."""


async def ask(producer: AIOKafkaProducer, topic: str, clock: Clock) -> None:
    """Append a record to see when that was. Raises WrongClockError; KafkaError if it cannot be appended."""
    began = clock()
    try:
        appended = await producer.send_and_wait(topic, b"", key=TIME_KEY, partition=0)
    except InvalidTimestampError as error:
        raise _refused(topic, 0) from error
    if appended.timestamp_type == _LOG_APPEND_TIME:
        _compare(began, appended.timestamp, clock(), topic, 0)


def expect_right_clock(answer: Any, began: int, now: int) -> None:  # noqa: ANN401 - aiokafka has no types
    """Raises WrongClockError if no moment between `began` and `now` (ms UTC, here) can be when a broker appended.

    `answer` is that to a ProduceRequest; topics stamped by whoever writes tell nothing.
    """
    for topic, partitions in answer.topics:
        for partition, code, _, stamp, *_ in partitions:
            if code == InvalidTimestampError.errno:
                raise _refused(topic, partition)
            _compare(began, stamp, now, topic, partition)


def _compare(began: int, stamp: int, now: int, topic: str, partition: int) -> None:
    if stamp < _NO_CLOCK_MS:
        return
    ahead, behind = began - stamp, stamp - now
    if ahead > MOST_WRONG_MS:
        raise _wrong(f"by {ahead / 1000:.0f} s, being ahead", topic, partition)
    if behind > MOST_WRONG_MS:
        raise _wrong(f"by {behind / 1000:.0f} s, being behind", topic, partition)


def _refused(topic: str, partition: int) -> WrongClockError:
    """A record that is dated too far from the broker's time: by an hour ahead, on Kafka 4."""
    return _wrong("by more than that broker takes", topic, partition)


def _wrong(how: str, topic: str, partition: int) -> WrongClockError:
    text = f"the clock of this machine differs {how}, from that of the broker that leads {topic}[{partition}]"
    return WrongClockError(text)
