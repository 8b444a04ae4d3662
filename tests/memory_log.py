"""A delivery log in memory, for tests of delivery alone."""

import asyncio
from collections.abc import Sequence

from alerts.delivery import Known
from alerts.model import Alert, Phase
from alerts.route import Target
from alerts.sending import Fate


class MemoryLog:
    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], Known] = {}
        self.begun: dict[tuple[str, str, str, str], tuple[str, int]] = {}

    async def known(self, alert: Alert, sink: str) -> Known:
        await asyncio.sleep(0)
        entry = self.entries.get((alert.id, sink), Known({}, {}))
        return Known(dict(entry.steps), dict(entry.receipts))

    async def record(
        self, alerts: Sequence[Alert], target: Target, fate: Fate, receipt: str | None = None
    ) -> None:
        await asyncio.sleep(0)
        for alert in alerts:
            entry = self.entries.setdefault((alert.id, target.sink), Known({}, {}))
            entry.steps[alert.phase.value, alert.revision, target.receiver] = fate.value
            if receipt is not None:
                entry.receipts[target.receiver] = receipt
            if (
                fate is Fate.SENT
                and alert.phase is Phase.FIRING
                and not alert.revision
                and target.cooldown_ms
            ):
                self.begun[self._cooldown(alert, target)] = alert.id, alert.tick

    async def cooling(self, alert: Alert, target: Target) -> bool:
        begun = self.begun.get(self._cooldown(alert, target))
        return begun is not None and begun[0] != alert.id and alert.tick - begun[1] < target.cooldown_ms

    @staticmethod
    def _cooldown(alert: Alert, target: Target) -> tuple[str, str, str, str]:
        return target.sink, target.receiver, alert.account_id, alert.rule
