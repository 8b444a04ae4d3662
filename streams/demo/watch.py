"""What comes out: scores and alerts from their topics, and what the notifier delivered, into the picture."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from alerts.model import decode_alert
from alerts.render import Notification, notification
from streams.demo.picture import Picture
from streams.kafka_clients import client_arguments
from streams.own_records import is_own
from streams.settings import Settings

Key = tuple[str, str, int]
_decode_notification: Final = msgspec.json.Decoder(Notification).decode
_POLL_S: Final = 0.2
_SCRAPE_S: Final = 0.5


class Watch:
    """Follows `scores` and `alerts`; shows an alert once the notifier delivered it, without one at once."""

    def __init__(
        self,
        settings: Settings,
        delivered: Path | None,
        picture: Picture,
        show: Callable[[Notification], None],
    ) -> None:
        self.fired: dict[Key, Notification] = {}
        """(alert id, phase, revision) to what was published."""
        self.shown: dict[Key, Notification] = {}
        self._settings = settings
        self._delivered = delivered
        self._picture = picture
        self._show = show
        self._read = 0

    async def run(self) -> None:
        """Follow until cancelled. Raises aiokafka.errors.KafkaError."""
        prefix, kafka = self._settings.topic_prefix, self._settings.kafka
        tps = [
            TopicPartition(prefix + name, n) for name in ("scores", "alerts") for n in range(kafka.partitions)
        ]
        async with AIOKafkaConsumer(
            **client_arguments(kafka), auto_offset_reset="earliest", enable_auto_commit=False
        ) as consumer:
            consumer.assign(tps)
            await consumer.seek_to_beginning(*tps)
            while True:
                for records in (await consumer.getmany(timeout_ms=200, max_records=500)).values():
                    for record in records:
                        self._take(record)
                self._tail()

    async def all_shown(self, seconds: float) -> None:
        """Wait until what was published was shown, at most so many seconds."""
        for _ in range(round(seconds / _POLL_S)):
            if self.shown.keys() >= self.fired.keys():
                return
            await asyncio.sleep(_POLL_S)

    def _take(self, record: ConsumerRecord[Any, Any]) -> None:
        if is_own(record.key):
            return
        if record.topic.endswith("scores"):
            self._picture.take_score(record.value)
            return
        told = notification(decode_alert(record.value))
        self.fired[told.id, told.phase, told.revision] = told
        if self._delivered is None:
            self._tell(told)

    def _tail(self) -> None:
        if self._delivered is None:
            return
        with self._delivered.open("rb") as log:
            log.seek(self._read)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                if line.startswith(b"{") and b'"rule"' in line:
                    self._tell(_decode_notification(line))

    def _tell(self, told: Notification) -> None:
        key = told.id, told.phase, told.revision
        if key not in self.shown:
            self.shown[key] = told
            self._picture.take_alert(told)
            self._show(told)


async def count(metrics: str, picture: Picture) -> None:
    """Read the worker's own counters again and again, until cancelled; a worker that is busy is asked later."""
    async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
        while True:
            with suppress(httpx.HTTPError):
                picture.take_count(scored((await client.get(metrics)).text))
            await asyncio.sleep(_SCRAPE_S)


def scored(page: str) -> int:
    """The sum of the counter `accountpulse_events_total`: every event with a fate."""
    families = text_string_to_metric_families(page)
    events = (family for family in families if family.name == "accountpulse_events")
    return int(sum(sample.value for family in events for sample in family.samples if "_total" in sample.name))
