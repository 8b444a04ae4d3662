"""Events into the input topics: a whole load at once, or live at its own pace from a thread."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right

from confluent_kafka import Producer

from bench.load import Block, Fleet, Generator, Load
from bench.tally import Tally
from scoring.events import SOURCES
from streams.settings import Settings

_FLUSH_S = 60.0
_SLICE_S = 0.005
_BLOCK_S = 0.05
"""Event time that is made at once: while a block is made nothing is sent."""


class ProduceError(Exception):
    """Events were not acknowledged in time."""


def fill(settings: Settings, load: Load, fleet: Fleet, tally: Tally) -> None:
    """Produce a load in its order; returns when all of it is acknowledged. Raises ProduceError."""
    producer = _producer(settings, linger_ms=20)
    topics = [settings.topic_prefix + source for source in SOURCES]
    for block in Generator(load, fleet).blocks():
        _send(producer, topics, block, 0, len(block.keys))
        tally.add(block)
    _flush(producer)


class LiveFeed(threading.Thread):
    """Sends a load in real time: every event when its time has come, or `behind_ms` later. Counts what was sent in `tally`."""

    def __init__(
        self, settings: Settings, load: Load, fleet: Fleet, tally: Tally, *, behind_ms: int = 0
    ) -> None:
        super().__init__(name="live feed", daemon=True)
        self._settings = settings
        self._blocks = Generator(load, fleet).blocks(max(20, int(load.per_second * _BLOCK_S)))
        self._tally = tally
        self._behind_ms = behind_ms
        self._halt = threading.Event()
        self.sent = 0
        self.late_s = 0.0
        """How far the feed was behind its own pace at most: more than some 100 ms, and its machine was too slow."""
        self.error: BaseException | None = None

    def run(self) -> None:
        """The thread."""
        try:
            producer = _producer(self._settings, linger_ms=5)
            topics = [self._settings.topic_prefix + source for source in SOURCES]
            for block in self._blocks:
                self._tally.add(cut := _until(block, self._pace(producer, topics, block)))
                if len(cut.keys) < len(block.keys):
                    break
            _flush(producer)
        except BaseException as error:  # noqa: BLE001 - `stop` raises it in the thread that waits
            self.error = error

    def _pace(self, producer: Producer, topics: list[str], block: Block) -> int:
        """Send a block slice by slice, until `stop` is called; returns how much of it was sent."""
        times, begin = block.times.tolist(), 0
        while begin < len(times) and not self._halt.is_set():
            now = time.time() * 1000 - self._behind_ms
            end = bisect_right(times, now, begin)
            if end > begin:
                self.late_s = max(self.late_s, (now - times[begin]) / 1000)
                _send(producer, topics, block, begin, end)
                self.sent += end - begin
            begin = end
            producer.poll(0)
            self._halt.wait(_SLICE_S)
        return begin

    def stop(self) -> None:
        """Stop after the present slice and wait for the acknowledgements. Raises ProduceError."""
        self._halt.set()
        self.join(_FLUSH_S + 5)
        if self.error is not None:
            raise ProduceError(f"the live feed failed: {self.error}") from self.error
        if self.is_alive():
            raise ProduceError("the live feed did not stop")

    def __enter__(self) -> LiveFeed:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _producer(settings: Settings, linger_ms: int) -> Producer:
    return Producer(
        {"bootstrap.servers": settings.kafka.bootstrap, "compression.type": "lz4", "linger.ms": linger_ms,
         "batch.size": 400_000, "queue.buffering.max.messages": 500_000, "enable.idempotence": True, "log_level": 3}
    )  # fmt: skip


def _send(producer: Producer, topics: list[str], block: Block, begin: int, end: int) -> None:
    columns = (block.sources[begin:end].tolist(), block.partitions[begin:end].tolist())
    send = producer.produce
    for source, partition, key, value in zip(
        *columns, block.keys[begin:end], block.values[begin:end], strict=True
    ):
        while True:
            try:
                send(topics[source], value, key, partition)
                break
            except BufferError:
                producer.poll(0.1)
    producer.poll(0)


def _until(block: Block, end: int) -> Block:
    return Block._make(column[:end] for column in block)


def _flush(producer: Producer) -> None:
    left = producer.flush(_FLUSH_S)
    if left:
        raise ProduceError(f"{left} events were not acknowledged within {_FLUSH_S:.0f} s")
