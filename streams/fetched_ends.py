"""Where input partitions end, and as of when that is known: what makes a feed that is quiet differ from one not heard.

aiokafka dates a fetch answer by when it is processed. An answer that lay in the socket while the process was frozen
looks fresh then, although it was given before everything that arrived meanwhile. What counts is when it was asked for.
"""
# ruff: noqa: SLF001 - aiokafka has one wait for all fetches

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.protocol.fetch import FetchRequest
from faust.types import TP

from streams.clock import Clock


class LogBehindError(Exception):
    """An input ends before the position that was read or committed: it was created anew."""


class FetchedEnd(NamedTuple):
    """What the last fetch answer said about a partition."""

    offset: int
    """End of what may be read."""
    asked_ms: int
    """Wall time of the request: whatever was appended before it lies below `offset`."""


class FetchedEnds:
    """The newest answer for each partition; written by the consumer's thread, read by the main one."""

    def __init__(self, clock: Clock, wait_ms: Callable[[int], int]) -> None:
        """`wait_ms` tells how long a fetch that is asked for at a time (ms UTC) may wait at the broker."""
        self._clock = clock
        self._wait_ms = wait_ms
        self._ends: dict[TP, FetchedEnd] = {}
        self.out_of_range = False
        """Set by an answer that a position is deleted: the client moves on by itself, without a word."""

    def get(self, tp: TP) -> FetchedEnd | None:
        """What is known of a partition; None before the first answer."""
        return self._ends.get(tp)

    def listen(self, client: AIOKafkaClient) -> None:
        """Note what passes through a client from now on, and let no fetch wait for longer than it may."""
        send = client.send

        async def noting(node_id: int, request: Any, **options: Any) -> Any:  # noqa: ANN401 - aiokafka has no types
            asked_ms = self._clock()
            if isinstance(request, FetchRequest):
                request._max_wait_ms = min(request._max_wait_ms, self._wait_ms(asked_ms))
            answer = await send(node_id, request, **options)
            if isinstance(request, FetchRequest):
                self._note(answer, asked_ms)
            return answer

        client.send = noting

    def _note(self, answer: Any, asked_ms: int) -> None:  # noqa: ANN401
        for topic, partitions in answer.topics:
            for partition, code, end, *more in partitions:
                if code == OffsetOutOfRangeError.errno:
                    self.out_of_range = True
                if not code:
                    stable = more[0] if answer.API_VERSION >= 4 and more[0] >= 0 else end
                    self._ends[TP(topic, partition)] = FetchedEnd(stable, asked_ms)


class Lag(NamedTuple):
    """Records between what was taken and the end of a partition; seconds that the first may have waited."""

    records: int
    seconds: float


def lag(
    end: FetchedEnd | None, position: int | None, last_record_ms: int | None, now: int, stale_ms: int
) -> Lag:
    """The lag at `now` (ms UTC).

    A broker that did not answer for more than `stale_ms` has not told what was appended since it was asked last:
    the end that was reached then says nothing, what waits may have waited since. Before the first answer nothing is
    known.
    """
    if end is None:
        return Lag(0, 0.0)
    records = max(0, end.offset - (end.offset if position is None else position))
    behind_ms = now - last_record_ms if records and last_record_ms is not None else 0
    unheard_ms = now - end.asked_ms
    return Lag(records, max(0, behind_ms, unheard_ms if unheard_ms > stale_ms else 0) / 1000)
