"""Alerts that wait a little for others of the same receiver and owner, to become one message if they are many.

An alert that is parked is not done with: whoever parked it waits for its outcome. A group ends when its time is
up, when it is full, or when one of its accounts has something else to say: so order per account holds.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

from alerts.model import Alert
from alerts.route import Target
from alerts.sending import Outcome

FULL: Final = 40
"""Alerts at which a group ends before its time: what one message can hold."""
Identity = tuple[str, str, int]
Key = tuple[str, str, tuple[str, ...]]
Resolve = Callable[[Alert, Outcome], None]


def identity(alert: Alert) -> Identity:
    """What tells an alert from all others, for ever."""
    return alert.id, alert.phase.value, alert.revision


def group_key(target: Target) -> Key:
    """What the alerts of a group have in common."""
    return target.receiver, target.channel, target.group


class Group:
    """The alerts of one key under way, in the order they came."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.members: dict[Identity, tuple[Alert, asyncio.Future[Outcome]]] = {}
        self.over = asyncio.Event()
        self.sending = False
        self.task: asyncio.Task[None] | None = None

    def waiting(self, account_id: str | None = None) -> list[asyncio.Future[Outcome]]:
        """What members still wait for: all, or those of one account."""
        return [
            future
            for alert, future in self.members.values()
            if not future.done() and account_id in {None, alert.account_id}
        ]

    def left(self, member: Identity) -> None:
        """A member is no longer waited for: its partition went to somebody else, who sends it."""
        if not self.sending:
            del self.members[member]
        if not self.waiting() and self.task:
            self.task.cancel()


class Groups:
    """The groups of one sink.

    Args:
        send: Brings the alerts of a group to their fates, in their order, and tells each by the last argument.
    """

    def __init__(self, send: Callable[[Sequence[Alert], Target, Resolve], Awaitable[None]]) -> None:
        self._send = send
        self._open: dict[Key, Group] = {}
        self._all: set[Group] = set()

    def __len__(self) -> int:
        return len(self._all)

    def holds(self, alert: Alert) -> bool:
        """Whether this very alert is under way in a group."""
        return any(identity(alert) in group.members for group in self._all)

    def park(self, alert: Alert, target: Target) -> asyncio.Future[Outcome]:
        """Adds an alert to the open group of its target; it must not be in there. Cancelling takes it out."""
        key = group_key(target)
        group = self._open.get(key)
        if group is None:
            group = self._open[key] = Group(target)
            self._all.add(group)
            group.task = asyncio.create_task(self._run(key, group))
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        group.members[member := identity(alert)] = alert, future
        future.add_done_callback(lambda done: group.left(member) if done.cancelled() else None)
        if len(group.members) >= FULL:
            self._end(key, group)
        return future

    async def settle(self, account_id: str, keep: Collection[Key] = ()) -> None:
        """Ends the groups an account is in and waits for its alerts, but for the open groups of the keys `keep`."""
        kept = {self._open[key] for key in keep if key in self._open}
        await self._finish([group for group in self._all - kept if group.waiting(account_id)], account_id)

    async def ready(self, account_id: str, target: Target) -> None:
        """Waits until an alert of the account may be parked: what it has at this receiver is in the open group."""
        key = group_key(target)
        while earlier := [
            group
            for group in self._all
            if group is not self._open.get(key)
            and group.target.receiver == target.receiver
            and group.waiting(account_id)
        ]:
            await self._finish(earlier, account_id)

    async def flush(self) -> None:
        """Ends all groups and waits for them."""
        await self._finish(list(self._all), None)

    async def close(self) -> None:
        """Gives up what is under way; it counts as not sent."""
        tasks = [group.task for group in self._all if group.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _finish(self, groups: Sequence[Group], account_id: str | None) -> None:
        for group in groups:
            self._end(group_key(group.target), group)
        if futures := [future for group in groups for future in group.waiting(account_id)]:
            await asyncio.wait(futures)

    def _end(self, key: Key, group: Group) -> None:
        group.over.set()
        if self._open.get(key) is group:
            del self._open[key]

    async def _run(self, key: Key, group: Group) -> None:
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(group.target.group_wait):
                    await group.over.wait()
            self._end(key, group)
            group.sending = True
            futures = {identity(alert): future for alert, future in group.members.values()}

            def resolve(alert: Alert, outcome: Outcome) -> None:
                if not futures[identity(alert)].done():
                    futures[identity(alert)].set_result(outcome)

            await self._send([alert for alert, _ in group.members.values()], group.target, resolve)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            for future in group.waiting():
                future.set_exception(error)
        finally:
            self._end(key, group)
            self._all.discard(group)
            for future in group.waiting():
                future.cancel()
