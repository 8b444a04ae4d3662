"""How long brokers held our requests back because a quota of Kafka was used up; aiokafka waits without a word."""

from __future__ import annotations

from typing import Any, Final

import structlog
from aiokafka.client import AIOKafkaClient

CLIENTS: Final = ("consumer", "producer")

log = structlog.get_logger(__name__)


class Throttling:
    """Seconds by client, as the answers of brokers tell them; counted by the threads of the clients."""

    def __init__(self) -> None:
        """Nothing was held back yet."""
        self.seconds = dict.fromkeys(CLIENTS, 0.0)

    def listen(self, client: AIOKafkaClient, name: str) -> None:
        """Note what the answers to a client say from now on; `name` is one of CLIENTS."""
        send = client.send

        async def noting(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - aiokafka has no types
            answer = await send(*args, **options)
            if held_ms := getattr(answer, "throttle_time_ms", 0):
                self.seconds[name] += held_ms / 1000
                log.warning("a quota of Kafka holds requests back", client=name, seconds=held_ms / 1000)
            return answer

        client.send = noting
