"""What all partitions of a process share: the model made ready, the grid of the clock, and the counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from alerts.engine import AlertEngine
from scoring.evaluate import Scorer
from scoring.events import SOURCES
from scoring.recorder import Recorder
from scoring.tails import MOST_DECODED
from streams.ticking import TickLine
from streams.unknown_fields import UnknownFields


@dataclass
class Totals:
    """Counters of the process, for metrics; they survive the loss of a partition."""

    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(source, fate) to events."""
    dead: Counter[str] = field(default_factory=Counter)
    """Reason to records."""
    unknown: UnknownFields = field(default_factory=UnknownFields)
    """Fields of events that the contract does not have."""
    transitions: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(rule, severity, phase) to alerts."""
    rules: Sequence[str] = ()
    """Names of the rules that are on."""
    ticks: int = 0
    published: int = 0


@dataclass(frozen=True)
class Context:
    """What all partitions of a process share. Times in milliseconds."""

    scorer: Scorer
    alerts: AlertEngine
    tick: int
    grace: int
    belongs: Callable[[int], Callable[[bytes], bool]]
    """Partition number to the test whether a key belongs to it."""
    topic_names: Sequence[str] = SOURCES
    roomy: int = 50_000
    """Events of a source that may wait for their tick in memory; those beyond wait in their rows."""
    totals: Totals = field(default_factory=Totals)
    tick_log: Callable[[Sequence[TickLine]], None] | None = None
    days_per_commit: int | None = None
    """How far the clock may run ahead of the last cut; None where nothing is committed."""
    decoded_tails: int = MOST_DECODED
    """Tails of a partition that stay decoded after their row was written."""

    @cached_property
    def recorder(self) -> Recorder:
        """Writes the score records of all partitions."""
        return Recorder(self.scorer)

    @property
    def model_hash(self) -> str:
        """Hash of the active model."""
        return self.scorer.hash
