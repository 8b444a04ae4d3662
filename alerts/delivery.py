"""From an alert to exactly one fate at each of its receivers: sent, known already, too old, cooled down, refused.

At least once: the delivery log is written after the receiver has the alert, so a crash in between repeats it
under the same `(id, phase, revision)`. Alerts of one account keep their order; an account that waits holds up no
other. What follows a firing alert goes to those who heard of it, whatever the routes say by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from msgspec import Struct

from alerts.grouping import Groups, Key, Resolve, group_key
from alerts.model import Alert, Phase
from alerts.route import FACTS, Router, Target
from alerts.sending import Fate, Outcome, Sender, Turns
from alerts.sinks.base import Message, Messenger, Sink

HOUR_MS: Final = 3_600_000
NOTABLE: Final = frozenset({Phase.FIRING, Phase.RESOLVED})
"""Phases that people hear about; the others are steps on the way."""


class Known(Struct, frozen=True):
    """What the delivery log remembers of one alert at one sink."""

    steps: dict[tuple[str, int, str], str] = {}
    """(phase, revision, receiver) -> fate."""
    receipts: dict[str, str] = {}
    """By receiver."""

    def done(self, alert: Alert, receiver: str) -> bool:
        """Whether this phase and revision is done with at the receiver."""
        return (alert.phase.value, alert.revision, receiver) in self.steps

    def receivers(self, *fates: Fate) -> list[str]:
        """Receivers with one of these fates in some step; with any, if none are given."""
        found = (step[2] for step, fate in self.steps.items() if not fates or fate in fates)
        return list(dict.fromkeys(found))


class DeliveryLog(Protocol):
    """Remembers what was delivered where. All calls wait for as long as the log is away."""

    async def known(self, alert: Alert, sink: str) -> Known:
        """What is remembered of all phases and revisions of this alert's id."""

    async def record(
        self, alerts: Sequence[Alert], target: Target, fate: Fate, receipt: str | None = None
    ) -> None:
        """Marks them as done with at this receiver, all or none; sent ones with a cool-down begin it."""

    async def cooling(self, alert: Alert, target: Target) -> bool:
        """Whether another alert of this account and rule was sent there within the target's cool-down."""


class Deliverer:
    """Delivers to one sink.

    Args:
        sink: The channel.
        sender: Sends to it, with retries.
        log: The delivery log.
        router: Who hears of what; without one everything goes to the sink at once.
        cold_start_hours: An alert made this long before it was published is history: recorded, never sent.
        on_group: Called with the number of alerts that went out as one message.
    """

    def __init__(
        self,
        sink: Sink,
        sender: Sender,
        log: DeliveryLog,
        *,
        router: Router | None = None,
        cold_start_hours: float = 6.0,
        on_group: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._sink = sink
        self._can_group = isinstance(sink, Messenger)
        self._sender = sender
        self._log = log
        self._router = router or Router()
        self._cold_start_ms = cold_start_hours * HOUR_MS
        self._on_group = on_group
        self._groups = Groups(self._send_group)
        self._turns = Turns()
        self.flush = self._groups.flush
        self.close = self._groups.close

    async def deliver(self, alert: Alert, recorded_at_ms: int) -> list[Outcome]:
        """Brings one alert to its fates, one for each receiver; called in the order of the log.

        Args:
            alert: What to send.
            recorded_at_ms: Kafka timestamp of its record.
        """
        if alert.phase not in NOTABLE:
            return [Outcome(Fate.QUIET_PHASE)]
        old = recorded_at_ms - alert.tick > self._cold_start_ms
        async with self._turns.of(alert.account_id):
            routing = self._router.targets(alert, self._sink.name)
            await self._groups.settle(alert.account_id, keep=self._may_join(alert, routing.targets))
            known = await self._log.known(alert, self._sink.name)
            targets = self._followed(alert, routing.targets, known)
            if routing.muted and not routing.targets:
                return [Outcome(Fate.MUTED)]
            if not targets:
                return [Outcome(Fate.NOT_ROUTED)]
            started = await asyncio.gather(
                *(self._start(alert, target, known, old=old) for target in targets)
            )
        return [one if isinstance(one, Outcome) else await one for one in started]

    def _may_join(self, alert: Alert, targets: Sequence[Target]) -> list[Key]:
        if self._groups.holds(alert):  # published again while it is parked: that copy has to be through first
            return []
        return [group_key(target) for target in targets if self._waits(alert, target)]

    def _waits(self, alert: Alert, target: Target) -> bool:
        """Whether it is parked: first news of an alert, unless it is a fact, which somebody may act on right now."""
        first = alert.phase is Phase.FIRING and not alert.revision
        return first and self._can_group and target.group_wait > 0 and alert.rule not in FACTS

    def _followed(self, alert: Alert, routed: Sequence[Target], known: Known) -> list[Target]:
        """The routed receivers and those who know of the alert; a resolve goes only to the latter, if any."""
        familiar = {name: self._router.target(name, alert, self._sink.name) for name in known.receivers()}
        targets = {name: target for name, target in familiar.items() if target is not None}
        here = {target.receiver: target for target in routed}
        if alert.phase is Phase.RESOLVED and targets:
            return [here.get(name, target) for name, target in targets.items()]
        return list((targets | here).values())

    async def _start(
        self, alert: Alert, target: Target, known: Known, *, old: bool
    ) -> Outcome | asyncio.Future[Outcome]:
        receiver = target.receiver
        if known.done(alert, receiver):
            return Outcome(Fate.ALREADY_SENT)
        if old:
            # Remembered as well: republished at a takeover it could look young enough to be sent.
            await self._log.record([alert], target, Fate.COLD_START)
            return Outcome(Fate.COLD_START)
        if await self._cools(alert, target, known):
            await self._log.record([alert], target, Fate.COOLDOWN)
            return Outcome(Fate.COOLDOWN)
        if self._waits(alert, target):
            await self._groups.ready(alert.account_id, target)  # its group may have ended since
            return self._groups.park(alert, target)
        return await self._send([alert], target, known.receipts.get(receiver))

    async def _cools(self, alert: Alert, target: Target, known: Known) -> bool:
        """A whole episode is told or left out: what follows its first step has the fate of that."""
        if target.receiver in known.receivers(Fate.SENT):
            return False
        if target.receiver in known.receivers(Fate.COOLDOWN):
            return True
        first = alert.phase is Phase.FIRING and target.cooldown_ms > 0
        return first and await self._log.cooling(alert, target)

    async def _send(self, alerts: Sequence[Alert], target: Target, receipt: str | None = None) -> Outcome:
        outcome = await self._sender.send(Message(tuple(alerts), target.channel, receipt))
        if outcome.fate is Fate.SENT:
            await self._log.record(alerts, target, Fate.SENT, outcome.receipt)
        return outcome

    async def _send_group(self, alerts: Sequence[Alert], target: Target, resolve: Resolve) -> None:
        """One message if they are many, else one each; accounts do not wait for each other."""
        if len(alerts) > target.group_limit:
            outcome = await self._send(alerts, target)
            if outcome.fate is Fate.SENT:
                self._on_group(len(alerts))
            for alert in alerts:
                resolve(alert, outcome)
            return
        by_account: dict[str, list[Alert]] = {}
        for alert in alerts:
            by_account.setdefault(alert.account_id, []).append(alert)
        await asyncio.gather(*(self._in_order(part, target, resolve) for part in by_account.values()))

    async def _in_order(self, alerts: Sequence[Alert], target: Target, resolve: Resolve) -> None:
        for alert in alerts:
            resolve(alert, await self._send([alert], target))
