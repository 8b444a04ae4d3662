"""Metrics of the view: one list, and the gauges and counters made from it. Labels never name an account."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from streams.metrics import PREFIX, Kind, Metric

LAG: Final = Metric(
    "view_lag_records", Kind.GAUGE, "Records of the scores topic that are not in the view yet."
)
AGE: Final = Metric(
    "view_age_seconds",
    Kind.GAUGE,
    "Age of the newest record in the view: by its stream time, and by when it was written to the topic.",
    ("time",),
)
ACCOUNTS: Final = Metric("view_accounts", Kind.GAUGE, "Accounts in the view.", ("band",))
REBUILDS: Final = Metric("view_generation_rebuilds", Kind.COUNTER, "Views begun from nothing.", ("reason",))
RECORDS: Final = Metric("view_records", Kind.COUNTER, "Records read, by what became of them.", ("fate",))
REDIS_UP: Final = Metric("view_redis_up", Kind.GAUGE, "Whether Redis did what was asked of it last time.")
METRICS: Final = (LAG, AGE, ACCOUNTS, REBUILDS, RECORDS, REDIS_UP)
TIMES: Final = ("stream", "wall")


class Reason(StrEnum):
    """Why a view is built anew."""

    EMPTY = "empty"
    REQUESTED = "requested"
    LAYOUT = "layout"
    TOPIC = "topic"
    AWAY = "away"


class Fate(StrEnum):
    """What became of a record; markers are the terms of the worker's fence."""

    APPLIED = "applied"
    DELETED = "deleted"
    MARKER = "marker"
    INVALID = "invalid"


class Metrics:
    """What the view counts; every value of a counter's label is served from the start, as 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(metric: Metric) -> Gauge:
            return Gauge(PREFIX + metric.name, metric.help, metric.labels, registry=registry)

        def counter(metric: Metric, values: type[StrEnum]) -> Counter:
            made = Counter(PREFIX + metric.name, metric.help, metric.labels, registry=registry)
            for value in values:
                made.labels(value)
            return made

        self.lag = gauge(LAG)
        self.age = gauge(AGE)
        self.accounts = gauge(ACCOUNTS)
        self.rebuilds = counter(REBUILDS, Reason)
        self.records = counter(RECORDS, Fate)
        self.redis = gauge(REDIS_UP)
