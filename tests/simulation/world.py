"""What outlives a worker: topics, committed offsets and epochs, as Kafka keeps them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

import msgspec
import numpy as np
from aiokafka.errors import KafkaTimeoutError
from faust.types import TP

from alerts.model import Alert, decode_alert
from scoring.events import SOURCES
from scoring.layout import HOT
from scoring.row import ROW_VERSION
from scoring.upgrade import head_bytes
from streams.clock_metadata import changelog_end
from streams.flush import Outputs
from streams.outbox import FencedError
from streams.own_records import is_own

OUTPUTS = Outputs("state", "scores", "alerts", "dead-letters")
REBALANCING = 0.4
HEAD = head_bytes(ROW_VERSION)
Pair = tuple[bytes, bytes | None]


class World:
    """Logs that only grow, and the broker's answers to who may write."""

    def __init__(self, feeds: Sequence[Sequence[Any]], random: Random, *, fenced: bool = True) -> None:
        """`feeds`: records per source in offset order. `fenced` False: the broker accepts any epoch (a planted bug)."""
        self.feeds = feeds
        self.random = random
        self.fenced = fenced
        self.state: list[Pair] = []
        self.scores: list[Pair] = []
        self.alerts: list[Alert] = []
        self.committed: dict[int, tuple[int, str]] = {}
        self.epoch = 0
        self.lossy = True
        """Whether commits of offsets may fail, as they do while the group rebalances."""
        self.seen: Counter[str] = Counter()
        """How often which fault bit."""
        self.wrong: list[str] = []
        """What was appended that must not be."""
        self._versions: Counter[bytes] = Counter()
        self._order: Counter[tuple[str, int]] = Counter()

    def take_over(self) -> int:
        """The next epoch: whoever held an older one is refused from now on."""
        self.epoch += 1
        return self.epoch

    def rows(self) -> list[Pair]:
        """The compacted changelog, in log order of the newest record of each key."""
        newest: dict[bytes, bytes | None] = {}
        for key, value in self.state:
            newest.pop(key, None)
            newest[key] = value
        return list(newest.items())

    def append(self, topic: str, records: Sequence[Pair], epoch: int, sequence: int) -> None:
        """What the leader does with a fenced batch. Raises FencedError for an epoch that is over.

        `sequence` is how many records the epoch's writer put into batches of the topic before this one.
        """
        if self.fenced and epoch < self.epoch:
            self.seen["refused write"] += 1
            raise FencedError(f"epoch {epoch} is over")
        if sequence != self._order[topic, epoch]:
            self.wrong.append(f"{topic}: {sequence} where {self._order[topic, epoch]} was to come")
        self._order[topic, epoch] = sequence + len(records)
        self._look(topic, records)
        if topic == OUTPUTS.alerts:
            self.alerts += [decode_alert(value or b"") for _, value in records]
        elif topic != OUTPUTS.dead_letters:
            (self.state if topic == OUTPUTS.state else self.scores).extend(records)

    def _look(self, topic: str, records: Iterable[Pair]) -> None:
        """A row in the log says that the scores it tells of are there."""
        for key, value in records:
            if topic == OUTPUTS.scores and value:
                self._versions[key] = max(self._versions[key], msgspec.json.decode(value)["version"])
            elif topic == OUTPUTS.state and value and not is_own(key):
                version = int(np.frombuffer(value, HOT, 1, HEAD)["version"][0])
                if version > self._versions[key]:
                    self.wrong.append(f"row of {key!r} tells of score {version}, not in the log")

    async def commit(self, epoch: int, offsets: Mapping[TP, Any]) -> bool:
        """What the group coordinator does with offsets: those of an old generation, or during a rebalance, are refused."""
        for _ in range(3):  # long enough for crashes that leave rows without their offsets
            await self.wait()
        if self.lossy and self.random.random() < REBALANCING:
            self.seen["lost commit"] += 1
            return False
        if epoch < self.epoch:
            self.seen["refused commit"] += 1
            return False
        for tp, each in offsets.items():
            if changelog_end(each.metadata) > len(self.state):
                self.wrong.append(f"committed behind the end of the changelog: {each.metadata}")
            self.committed[SOURCES.index(tp.topic)] = (each.offset, each.metadata)
        return True

    async def wait(self) -> None:
        """Let others run for a while."""
        for _ in range(self.random.choice((0, 1, 2, 5, 20))):
            await asyncio.sleep(0)


class Outbox:
    """Batches as they were put in, numbered by topic."""

    def __init__(self, put: Counter[str]) -> None:
        self._put = put
        self.batches: list[tuple[TP, int, list[Pair]]] = []

    def put(self, tp: TP, records: Iterable[Pair], _: int) -> None:
        """Add a batch."""
        self.batches.append((tp, self._put[tp.topic], list(records)))
        self._put[tp.topic] += len(self.batches[-1][2])

    @property
    def size(self) -> int:
        """Records."""
        return sum(len(records) for _, _, records in self.batches)


class Writer:
    """`FencedWriter` over the world: batches go in one by one, and others may run in between."""

    owned: frozenset[int] = frozenset()

    def __init__(self, world: World, epoch: int) -> None:
        self._world = world
        self._epoch = epoch
        self._put: Counter[str] = Counter()
        self.breaks = False
        """The next write fails somewhere in the middle."""

    def outbox(self) -> Outbox:
        """An empty one."""
        return Outbox(self._put)

    async def write(self, outbox: Outbox) -> dict[TP, int]:
        """Append batch by batch. Raises FencedError, or KafkaTimeoutError after some of them."""
        size = self._world.random.choice((1, 2, 1000))
        parts = [
            (tp, first + i, r[i : i + size])
            for tp, first, r in outbox.batches
            for i in range(0, len(r), size)
        ]
        last: dict[TP, int] = {}
        outbox.batches.clear()
        breaks_at = self._world.random.randrange(len(parts)) if self.breaks and parts else None
        for at, (tp, sequence, records) in enumerate(parts):
            await self._world.wait()
            if at == breaks_at:
                self._world.seen["broken write"] += 1
                raise KafkaTimeoutError("write not acknowledged")
            self._world.append(tp.topic, records, self._epoch, sequence)
            if tp.topic == OUTPUTS.state:
                last[tp] = len(self._world.state) - 1
        await self._world.wait()
        return last

    async def renew(self, numbers: Iterable[int]) -> dict[TP, int]:
        """Nothing to renew here."""
        del numbers
        return {}
