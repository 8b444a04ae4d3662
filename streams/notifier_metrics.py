"""Metrics of the notifier: one list, and the counters made from it. Labels are sinks, fates and causes."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from alerts.sending import Fate
from alerts.sinks.base import SinkError
from streams.metrics import PREFIX, Kind, Metric

DELIVERIES: Final = Metric(
    "deliveries", Kind.COUNTER, "Alerts by sink and fate, at each receiver.", ("sink", "fate")
)
RETRIES: Final = Metric(
    "delivery_retries",
    Kind.COUNTER,
    "Attempts that failed and are repeated; cause: credentials, rate_limited, failed.",
    ("sink", "cause"),
)
GROUPED: Final = Metric(
    "deliveries_grouped", Kind.COUNTER, "Alerts that went out in a message together with others.", ("sink",)
)
WAITING: Final = Metric(
    "deliveries_waiting", Kind.GAUGE, "Alerts read that have not met their fate.", ("sink",)
)
METRICS: Final = (DELIVERIES, RETRIES, GROUPED, WAITING)
MALFORMED: Final = "malformed"
"""The fate of a record that is no alert."""
DELETED: Final = "deleted"
"""The fate of what Kafka deleted before it was read."""
FATES: Final = (*Fate, MALFORMED, DELETED)
CAUSES: Final = ("credentials", "rate_limited", "failed")


class Metrics:
    """What the notifier counts; cool-downs are the fate `cooldown` of `deliveries`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.deliveries = _counter(DELIVERIES, registry)
        self.retries = _counter(RETRIES, registry)
        self.grouped = _counter(GROUPED, registry)
        self.waiting = Gauge(PREFIX + WAITING.name, WAITING.help, WAITING.labels, registry=registry)

    def begin(self, sink: str) -> None:
        """Serve a sink's counters as 0 from now on: of a counter that appears, Prometheus misses the first steps."""
        for fate in FATES:
            self.deliveries.labels(sink, fate)
        for why in CAUSES:
            self.retries.labels(sink, why)
        self.waiting.labels(sink).set(0)


def cause(error: SinkError) -> str:
    """The label value for a failed attempt."""
    if error.credentials:
        return "credentials"
    return "failed" if error.retry_after is None else "rate_limited"


def _counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    return Counter(PREFIX + metric.name, metric.help, metric.labels, registry=registry)
