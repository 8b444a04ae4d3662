"""Metrics: one typed list, and the collector that reads the worker's totals when it is scraped.

Nothing is counted per event here, and no label ever names an account.
"""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from importlib.metadata import version
from itertools import product
from typing import Final, NamedTuple, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from alerts.model import Phase, Severity
from scoring.events import SOURCES, TYPE_NAMES
from streams.clock import Clock
from streams.flush import Flush
from streams.intake import Intake
from streams.table import StateTable
from streams.unknown_fields import UnknownFields


class Kind(StrEnum):
    """How a metric moves."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """One metric of the worker: what it is called (without the prefix), what it says, and its labels."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


PREFIX: Final = "accountpulse_"

METRICS: Final = (
    Metric("events", Kind.COUNTER, "Events read, by what became of them.", ("source", "fate")),
    Metric("dead_letters", Kind.COUNTER, "Rejected records.", ("reason",)),
    Metric(
        "deleted_unread_records",
        Kind.COUNTER,
        "Records that the broker deleted before they were read.",
        ("source",),
    ),
    Metric(
        "unknown_fields",
        Kind.COUNTER,
        "Events with fields that no release knows, of those looked at: one of each batch.",
        ("type",),
    ),
    Metric("alert_transitions", Kind.COUNTER, "Alerts made.", ("rule", "severity", "phase")),
    Metric("accounts", Kind.GAUGE, "Accounts known."),
    Metric("scores", Kind.GAUGE, "Accounts by band and tier.", ("band", "tier")),
    Metric("score_age_seconds", Kind.GAUGE, "Time since all changed scores were published."),
    Metric("clock_lag_seconds", Kind.GAUGE, "How far the stream clock is behind wall time.", ("partition",)),
    Metric("consumer_lag_events", Kind.GAUGE, "Records appended but not yet taken.", ("source",)),
    Metric(
        "consumer_lag_seconds",
        Kind.GAUGE,
        "Age of the last record taken while more wait, or of the last answer if the next is late; else 0.",
        ("source",),
    ),
    Metric(
        "throttle_seconds",
        Kind.COUNTER,
        "Time for which brokers held requests back, as a quota was used up.",
        ("client",),
    ),
    Metric("commit_age_seconds", Kind.GAUGE, "Time since the last flush that went through."),
    Metric("flush_seconds", Kind.HISTOGRAM, "Time of each flush that went through."),
    Metric("batch_seconds", Kind.HISTOGRAM, "Time of taking and folding each batch of records."),
    Metric("uncommitted_records", Kind.GAUGE, "Records taken since the last flush."),
    Metric("partitions", Kind.GAUGE, "Partition numbers owned."),
    Metric("recovery_rows_left", Kind.GAUGE, "Changelog rows that recovery has yet to read."),
    Metric("recovered_rows", Kind.COUNTER, "Changelog rows read by recovery."),
    Metric("fenced_writes", Kind.COUNTER, "Writes refused, as the partition had a new owner."),
    Metric("build_info", Kind.GAUGE, "Always 1.", ("version", "python", "model")),
)
"""Scraped, counters get the suffix `_total`, histograms `_bucket`, `_sum` and `_count`."""

FATES: Final = ("applied", "duplicate", "replayed", "late", "dead")
DEAD_REASONS: Final = (
    "missing_key", "too_large", "malformed", "unknown_type", "unknown_action", "invalid", "bad_timestamp",
    "out_of_range", "key_mismatch", "wrong_partition", "future",
)  # fmt: skip
"""What labels can say is served from the start, as 0: of a counter that appears, Prometheus misses the first steps."""


class Totals(Protocol):
    """What the scoring counts."""

    events: Counter[tuple[str, str]]
    dead: Counter[str]
    unknown: UnknownFields
    transitions: Counter[tuple[str, str, str]]
    rules: Sequence[str]


Samples = dict[tuple[str, ...], float]
"""Label values to value."""


class WorkerCollector(Collector):
    """Reads the parts of a worker at scrape time."""

    def __init__(
        self,
        *,
        table: StateTable,
        intake: Intake,
        flush: Flush,
        totals: Totals,
        throttled: Mapping[str, float],
        model_hash: str,
        recovery_rows_left: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._table = table
        self._intake = intake
        self._flush = flush
        self._totals = totals
        self._throttled = throttled
        self._model_hash = model_hash
        self._rows_left = recovery_rows_left
        self._clock = clock

    def collect(self) -> Iterator[Family]:
        """All families, in the order of the list."""
        samples = self._scoring() | self._progress() | self._log()
        durations = {"flush_seconds": self._flush.durations, "batch_seconds": self._intake.durations}
        for metric in METRICS:
            name = PREFIX + metric.name
            if taken := durations.get(metric.name):
                yield HistogramMetricFamily(name, metric.help, buckets=taken.buckets(), sum_value=taken.total)
                continue
            family: CounterMetricFamily | GaugeMetricFamily
            kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
            family = kind(name, metric.help, labels=metric.labels)
            for labels, value in sorted(samples[metric.name].items()):
                family.add_metric(list(labels), value)
            yield family

    def _scoring(self) -> dict[str, Samples]:
        states = self._table.states.values()
        bands = sum((state.bands() for state in states), Counter[tuple[str, str]]())
        build = (version("accountpulse"), platform.python_version(), self._model_hash)
        totals = self._totals
        events: Samples = dict.fromkeys(product(SOURCES, FATES), 0)
        dead: Samples = dict.fromkeys(product(DEAD_REASONS), 0)
        odd: Samples = dict.fromkeys(product(TYPE_NAMES), 0)
        made: Samples = dict.fromkeys(product(totals.rules, Severity, [Phase.FIRING]), 0)
        return {
            "events": events | {(_source(source), fate): n for (source, fate), n in totals.events.items()},
            "dead_letters": dead | {(reason,): n for reason, n in totals.dead.items()},
            "unknown_fields": odd | {(name,): n for name, n in totals.unknown.events.items()},
            "alert_transitions": made | {key: n for key, n in totals.transitions.items()},  # noqa: C416 - widens the key
            "accounts": {(): sum(state.accounts for state in states)},
            "scores": {key: n for key, n in bands.items()},  # noqa: C416
            "build_info": {build: 1},
        }

    def _progress(self) -> dict[str, Samples]:
        flush, intake = self._flush, self._intake
        return {
            "score_age_seconds": _age(flush.scored_at),
            "commit_age_seconds": _age(flush.committed_at),
            "throttle_seconds": {(client,): held for client, held in self._throttled.items()},
            "uncommitted_records": {(): intake.uncommitted},
            "partitions": {(): len(self._table.states)},
            "recovery_rows_left": {(): self._rows_left()},
            "recovered_rows": {(): self._table.rows_restored},
            "fenced_writes": {(): flush.fenced},
            "deleted_unread_records": {(source,): intake.deleted[source] for source in SOURCES},
        }

    def _log(self) -> dict[str, Samples]:
        now, live = self._clock(), self._table.live()
        clocks: Samples = {
            (str(n),): (now - state.clock_ms) / 1000 for n, state in live.items() if state.clock_ms >= 0
        }
        events: Samples = {(source,): 0 for source in SOURCES} if live else {}
        seconds: Samples = dict(events)
        for tp in self._intake.partitions():
            key: tuple[str, ...] = (self._intake.source_name(tp),)
            lag = self._intake.lag(tp)
            events[key] = events.get(key, 0) + lag.records
            seconds[key] = max(seconds.get(key, 0), lag.seconds)
        return {"clock_lag_seconds": clocks, "consumer_lag_events": events, "consumer_lag_seconds": seconds}


def _source(source: str | int) -> str:
    return source if isinstance(source, str) else SOURCES[source]


def _age(since: float | None) -> Samples:
    return {} if since is None else {(): time.monotonic() - since}
