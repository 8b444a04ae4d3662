"""Score records in words: money, ages, drivers, and how fresh the view is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, TypeVar

from scoring.events import CURRENCY_DIGITS
from scoring.times import DAY, HOUR, UNSET, iso
from streams.delivery_log import connect
from streams.settings import Settings
from streams.view_reader import Freshness, Record, ViewReader

MINUTE: Final = 60_000
SILENT_MS: Final = 25 * HOUR
"""Every account is published at least once a day: a topic that is quiet for longer is not fed."""
MOVED: Final = 500
"""Thousandths of a point worth telling."""
_CAUSES: Final = {
    "clock": "time passing",
    "evidence_missing": "evidence went missing",
    "evidence_returned": "evidence is back",
    "reweighted": "other dimensions came or went",
}
T = TypeVar("T")


def from_view(settings: Settings, read: Callable[[ViewReader], Awaitable[T]]) -> T:
    """What `read` finds in the view. Raises NoViewError or redis.exceptions.RedisError."""

    async def ask() -> T:
        client = connect(settings.redis)
        async with contextlib.aclosing(client):
            return await read(ViewReader(client, settings.redis.prefix))

    return asyncio.run(ask())


def money(minor: int | None, currency: str | None) -> str:
    """An amount of minor units in major units with its currency; empty if not known."""
    if minor is None:
        return ""
    digits = CURRENCY_DIGITS.get((currency or "").upper(), 2)
    return f"{minor / 10**digits:,.{digits}f} {currency or ''}".rstrip()


def points(score: float | None) -> str:
    """A score with one decimal, cut and not rounded: 39.99 must not read as the 40.0 of a better band."""
    return "-" if score is None else f"{int(score * 1000 + 0.5) // 100 / 10:.1f}"


def words(name: str) -> str:
    """An identifier as people write it."""
    return name.replace("_", " ")


def span(milliseconds: int) -> str:
    """A duration in its largest unit."""
    for unit, size in (("d", DAY), ("h", HOUR), ("min", MINUTE)):
        if milliseconds >= size:
            return f"{milliseconds // size} {unit}"
    return f"{max(milliseconds, 0) // 1000} s"


def driver(driver: Record) -> str:
    """One part of a change of the score."""
    cause = ", ".join(dict.fromkeys(driver.get("what", ()))) or _CAUSES.get(
        driver["cause"], words(driver["cause"])
    )
    return f"{words(driver['dimension'])} {driver['points'] / 1000:+.1f} ({cause})"


def top_reason(record: Record) -> str:
    """The part that last moved the score most, if by half a point, else the dimension that costs most points."""
    if moved := [d for d in record.get("drivers", ()) if abs(d["points"]) >= MOVED]:
        return driver(moved[0])
    return costliest(record.get("dimensions", {}))


def costliest(dimensions: dict[str, Any]) -> str:
    """The dimension that keeps most points away; empty if nothing does."""
    lost = {name: d["weight"] * (100 - d["score"]) for name, d in dimensions.items() if d["score"] < 100}
    if not lost:
        return ""
    name = max(lost, key=lambda n: (lost[n], n))
    return f"{words(name)} at {points(dimensions[name]['score'])} of 100"


def freshness(fresh: Freshness, now: int) -> str:
    """How old the view is, in one line."""
    if fresh.as_of == UNSET:
        return "the view is empty"
    return f"as of {iso(fresh.as_of)} ({span(now - fresh.as_of)} ago)"


def warnings(fresh: Freshness, now: int, stale_after: float) -> Iterator[str]:
    """Why the view may be behind; `stale_after` in seconds."""
    silent = now - fresh.seen
    if fresh.rebuilding is not None:
        yield f"a new view is being built, {fresh.rebuilding} records left; this one is not updated meanwhile"
    elif fresh.seen == UNSET or silent > stale_after * 1000:
        since = "" if fresh.seen == UNSET else f" for {span(silent)}"
        yield f"stale: no view role has written{since}: is `accountpulse view` running?"
    elif fresh.lag and now - fresh.written > stale_after * 1000:
        yield f"stale: {fresh.lag} records are not in the view yet"
    if fresh.written != UNSET and now - fresh.written > SILENT_MS:
        yield f"stale: the last score was written {span(now - fresh.written)} ago: is a worker running?"
