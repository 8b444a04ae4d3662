"""An intake without a broker: partitions that keep what they are fed, and who owns them."""

import time
from types import SimpleNamespace

from faust.types import TP

from streams.clock import wall_ms
from streams.fetch import RecordBlock
from streams.fetched_ends import FetchedEnd
from streams.intake import Intake
from streams.settings import Engine
from streams.table import StateTable

INPUTS = ("usage", "tickets")
USAGE, TICKETS = TP("usage", 0), TP("tickets", 0)


class Kept:
    """A partition that keeps what it is fed."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.events: list[object] = []
        self.highest = -1
        self.rows_pending = 0
        self.slow = {0, 1}
        self.behind = 0
        """Seconds of work that it has to do."""
        self.waiting = 0
        """Events of each source that wait until it is done."""
        self.walks = 0
        """Who are at it."""
        self.most_walks = 0
        self.ticks = False
        """Whether what it does is a tick."""
        self.between = 0
        """How often it folded between two slices of it."""

    def advance(self, now_ms, idle):
        self.walks += 1
        self.most_walks = max(self.most_walks, self.walks)
        while self.behind > 0:
            time.sleep(0.01)
            self.behind -= 0.01
            yield
        self.walks, self.waiting = self.walks - 1, 0

    def fold_meanwhile(self):
        self.between += self.ticks
        return self.ticks

    def feed(self, source, records):
        self.offsets += [record.offset for record in records]

    def queued(self, source):
        return self.waiting or len(self.offsets)

    def seen(self, source):
        return self.highest

    def slowest(self, now_ms, idle):
        return self.slow

    def resume(self, source, metadata):
        self.events.append((source, metadata))


class Table:
    """Ownership of partition 0, generation 1."""

    def __init__(self) -> None:
        self.states = {0: Kept()}
        self.fresh = {0}
        self.generation = 1

    @property
    def crowded(self):
        return StateTable.crowded.fget(self)

    def live(self):
        return {n: s for n, s in self.states.items() if n not in self.fresh}

    def recovered(self, number):
        return True

    def expect_logged(self, number, metadata):
        """Nothing is committed here that tells of a changelog."""

    def go_live(self, number):
        self.states[number].events.append("takeover")
        self.fresh.discard(number)


class Setup:
    def __init__(self, **engine) -> None:
        self.table = Table()
        self.ends: dict[TP, FetchedEnd] = {}
        self.dead = 0
        self.errors: list[BaseException] = []
        self.intake = Intake(
            self.table, INPUTS, Engine(**engine), clock=wall_ms, stale_ms=1000,
            fetched_end=self.ends.get, dead=lambda: self.dead, fail=self.errors.append,
        )  # fmt: skip

    def resume(self, **starts: int) -> None:
        self.intake.resume({TP(topic, 0): starts.get(topic, 0) for topic in INPUTS}, {})

    @property
    def kept(self) -> Kept:
        return self.table.states[0]


def block(begin: int, end: int, *offsets: int, generation: int = 1, tp: TP = USAGE) -> RecordBlock:
    records = [
        SimpleNamespace(offset=o, timestamp=o, key=b"k", value=b"v") for o in offsets or range(begin, end)
    ]
    return RecordBlock(tp, begin, end, records, generation)
