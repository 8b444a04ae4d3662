"""The engine told the same log as the reference, in any interleaving, with crashes if wanted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from alerts.engine import AlertEngine
from alerts.model import Alert, decode_alert
from scoring.evaluate import Scorer
from scoring.events import SOURCES
from scoring.model import Model
from streams.partition_context import Context
from streams.pipeline import Partition
from streams.ticking import TickLine
from tests.oracle.histories import Scenario


@dataclass
class Told:
    """What the engine made of a log."""

    context: Context
    partition: Partition
    lines: dict[tuple[str, str], TickLine] = field(default_factory=dict)
    alerts: dict[tuple[str, str, int], Alert] = field(default_factory=dict)
    """By id, phase and revision; the first told."""
    tellings: Counter[tuple[str, str, int, int]] = field(default_factory=Counter)
    """How often an id, phase, revision and time was told."""
    rewrites: int = 0
    crashes: int = 0
    replayed: int = 0


def tell(
    scenario: Scenario, model: Model, last: int, random: Random, *, crashes: int = 0, scores: bool = True
) -> Told:
    """Feed the log in random pieces; `crashes` times everything in memory is lost, with or without a commit just before."""
    run = _Run(scenario, model, random, crashes, scores=scores)
    while not run.piece(last + scenario.grace + 1):
        if random.random() < 0.2:
            run.flush(offsets=random.random() < 0.7)
        if run.crashes_now():
            run.crash()
    run.flush(offsets=True)
    events = run.told.context.totals.events
    run.told.replayed = sum(n for (_, fate), n in events.items() if fate == "replayed")
    return run.told


class _Run:
    """A worker of one partition, and what survives it: the log, its changelog and the committed offsets."""

    def __init__(
        self, scenario: Scenario, model: Model, random: Random, crashes: int, *, scores: bool
    ) -> None:
        self._random, self._scores = random, scores
        self._feeds = [[r for r in scenario.records if r.source == s] for s in range(len(SOURCES))]
        self._at = [0] * len(self._feeds)
        self._total = max(1, len(scenario.records))
        self._crash_at = sorted(random.random() for _ in range(crashes))
        self._changelog: dict[bytes, bytes] = {}
        self._committed: dict[int, tuple[int, str]] = {}
        scorer = Scorer(model)
        context = Context(
            scorer,
            AlertEngine(scorer),
            scenario.tick,
            scenario.grace,
            lambda _: lambda _: True,
            tick_log=self._log,
            decoded_tails=0,  # every flush lets go of all tails: what was changed without being told is lost
        )
        self.told = Told(context, Partition(0, context))

    def _log(self, lines: list[TickLine]) -> None:
        told = self.told
        for line in lines:
            key = line.as_of, line.account_id
            if key in told.lines:
                told.rewrites += 1
                assert told.lines[key] == line, "a tick that ran again after a crash said something else"
            told.lines[key] = line

    def piece(self, now: int) -> bool:
        """Read some records of one feed and let the clock run, at times not to the end; whether all is read and told."""
        if unread := [s for s, feed in enumerate(self._feeds) if self._at[s] < len(feed)]:
            s, n = self._random.choice(unread), self._random.choice((1, 2, 5, 40))
            self.told.partition.feed(s, self._feeds[s][self._at[s] : self._at[s] + n])
            self._at[s] += n
        idle = frozenset(s for s, feed in enumerate(self._feeds) if self._at[s] >= len(feed))
        for _ in self.told.partition.advance(now, idle):
            if self._crash_at and self._random.random() < 0.02:
                return False
        return len(idle) == len(self._feeds)

    def crashes_now(self) -> bool:
        """Whether so much was read that the next crash is due."""
        read = sum(min(at, len(feed)) for at, feed in zip(self._at, self._feeds, strict=True))
        return bool(self._crash_at) and read / self._total > self._crash_at[0]

    def crash(self) -> None:
        """Everything in memory is lost; another worker begins with what was written and committed."""
        self._crash_at.pop(0)
        self.told.crashes += 1
        self.told.partition = partition = Partition(0, self.told.context)
        partition.restore(list(self._changelog.items()))
        for s, feed in enumerate(self._feeds):
            offset, metadata = self._committed.get(s, (0, ""))
            partition.resume(s, metadata)
            self._at[s] = next((i for i, r in enumerate(feed) if r.offset >= offset), len(feed))
        partition.takeover()

    def flush(self, *, offsets: bool) -> None:
        """A commit in the order of the worker; without `offsets` a crash comes before them."""
        told, partition = self.told, self.told.partition
        positions = partition.positions()
        if self._scores:
            for _ in partition.score_blocks():
                pass
        blocks = list(partition.row_blocks())
        for _, value in partition.drain_alerts():
            alert = decode_alert(value)
            told.tellings[alert.id, alert.phase.value, alert.revision, alert.at] += 1
            told.alerts.setdefault((alert.id, alert.phase, alert.revision), alert)
        partition.drain_dead_letters()
        for block in blocks:
            self._changelog.update(block)
        if offsets:
            self._committed.update(positions)
