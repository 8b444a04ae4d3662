"""What comes out: the newest score of every account, and alerts as they are delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from alerts.model import Phase, decode_alert
from alerts.render import Notification, notification
from scoring.record import ScoreRecord
from streams.kafka_clients import client_arguments
from streams.settings import Settings

_decode_score: Final = msgspec.json.Decoder(ScoreRecord).decode
_decode_notification: Final = msgspec.json.Decoder(Notification).decode
_POLL_S: Final = 0.2
_OWN: Final = b"\0"
"""How the keys of the engine's own records begin."""


class Watch:
    """Follows `scores` and `alerts`; shows an alert once the notifier delivered it, without one at once."""

    def __init__(
        self, settings: Settings, delivered: Path | None, show: Callable[[Notification], None]
    ) -> None:
        self.fired: dict[tuple[str, str], Notification] = {}
        """(alert id, phase) to what was published."""
        self.shown: dict[tuple[str, str], Notification] = {}
        self._settings = settings
        self._delivered = delivered
        self._show = show
        self._scores: dict[bytes, bytes] = {}
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
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        self._take(record)
                self._tail()

    def scores(self) -> dict[str, ScoreRecord]:
        """The newest score of each account."""
        records = (_decode_score(value) for value in self._scores.values())
        return {record.account_id: record for record in records}

    async def all_shown(self, seconds: float) -> None:
        """Wait until what was published was shown, at most so many seconds."""
        for _ in range(round(seconds / _POLL_S)):
            if self.shown.keys() >= self.fired.keys():
                return
            await asyncio.sleep(_POLL_S)

    def _take(self, record: ConsumerRecord[Any, Any]) -> None:
        if record.topic.endswith("scores"):
            if not record.key.startswith(_OWN):
                self._scores[record.key] = record.value
            return
        told = notification(decode_alert(record.value))
        self.fired[told.id, told.phase] = told
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
        if (told.id, told.phase) not in self.shown:
            self.shown[told.id, told.phase] = told
            if told.phase in (Phase.FIRING, Phase.RESOLVED):
                self._show(told)
