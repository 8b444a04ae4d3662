"""The toy job in Python, and how it is measured. Needs nothing but msgspec: it also runs in the environments of the peers."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from datetime import date
from typing import Any, Final, NoReturn

import msgspec

HOURS: Final = 24
_HOUR_OF: dict[str, int] = {}


class Event(msgspec.Struct, gc=False):
    """What the job reads of an event; the same seven fields in every system."""

    type: str
    event_id: str
    account_id: str
    ts: str
    feature: str | None = None
    user_id: str | None = None
    quantity: int = 0


decode: Final = msgspec.json.Decoder(Event).decode


def hour(ts: str) -> int:
    """Hours since 1970 of a time in UTC."""
    known = _HOUR_OF.get(ts[:13])
    if known is None:
        days = date.fromisoformat(ts[:10]).toordinal() - date(1970, 1, 1).toordinal()
        known = _HOUR_OF[ts[:13]] = days * 24 + int(ts[11:13])
    return known


def score(buckets: list[int], head: int) -> float:
    """Three terms."""
    return 0.5 * min(1.0, sum(buckets) / 500) + 0.3 * min(1.0, buckets[head % HOURS] / 50) + 0.2


def turn(buckets: list[int], head: int, now: int) -> None:
    """Empty the buckets of the hours that have begun since `head`."""
    for at in range(max(head + 1, now - HOURS + 1), now + 1):
        buckets[at % HOURS] = 0


def add(account: dict[str, Any] | None, now: int, quantity: int) -> dict[str, Any]:
    """Fold one event into an account kept as plain JSON, for systems that keep it so."""
    if account is None:
        account = {"events": 0, "units": 0, "head": 0, "buckets": [0] * HOURS, "score": 0.0}
    buckets = account["buckets"]
    account["events"] += 1
    account["units"] += quantity
    if now > account["head"]:
        turn(buckets, account["head"], now)
        account["head"] = now
    if now > account["head"] - HOURS:
        buckets[now % HOURS] += quantity
    account["score"] = score(buckets, account["head"])
    return account


class Meter:
    """CPU of the whole process, all threads, from the first quarter of the events to the last one."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.seen = 0
        self._before: tuple[int, float, float] | None = None

    def count(self, events: int = 1) -> bool:
        """So many more events were processed; True if that is all of them."""
        self.seen += events
        if self._before is None and self.seen >= self.total // 4:
            self._before = (self.seen, _cpu(), time.perf_counter())
        return self.seen >= self.total

    def report(self, accounts: int, events: int, units: int) -> NoReturn:
        """Print one JSON object, with what the state holds in the end, and end the process."""
        if self._before is None:
            raise RuntimeError("nothing was measured")
        seen, cpu, wall = self._before
        measured = max(1, self.seen - seen)
        if measured < self.total // 2:
            print(json.dumps({"error": "too few events to be measured"}), file=sys.__stdout__, flush=True)
            os._exit(0)
        result: dict[str, Any] = {
            "events": measured, "us": (_cpu() - cpu) / measured * 1e6, "wall": time.perf_counter() - wall,
            "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "accounts": accounts,
            "state_events": events, "state_units": units,
        }  # fmt: skip
        # some of them turn stdout into their log
        print(json.dumps(result), file=sys.__stdout__, flush=True)
        os._exit(0)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
