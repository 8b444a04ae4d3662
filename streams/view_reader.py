"""Reading the view: pages of accounts, one account, and how fresh it all is.

Every transaction asks again which generation is current: an answer is taken from one complete generation, or
asked for anew. A reader changes nothing that stays (it intersects into a key that it deletes in the same step).
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from redis.asyncio import Redis

from scoring.times import UNSET
from streams.view_rows import BY_CHANGED, BY_MRR_AT_RISK, BY_SCORE, BY_URGENCY, ENDED, facet
from streams.view_store import Generation, Keys, Pulse, is_readable

Record = dict[str, Any]
"""A score record as it was written, decoded: fields of newer releases are in it, too."""
T = TypeVar("T")
TRIES: Final = 10
ENDED_BAND: Final = "ended"


class Order(StrEnum):
    """What accounts are ranked by."""

    SCORE = "score"
    MRR_AT_RISK = "mrr_at_risk"
    URGENCY = "urgency"
    CHANGED = "changed"


class NoViewError(OSError):
    """Redis answers, but there is no view to read; the message says what to do."""


class Freshness(NamedTuple):
    """How old the view is; times in milliseconds UTC, UNSET if not known."""

    as_of: int
    """Stream time of the newest record."""
    written: int
    """When the newest record was written to the topic."""
    seen: int
    """The role's last sign of life."""
    lag: int
    """Records that were unread then."""
    rebuilding: int | None
    """Records left of a view that is being built beside this one."""


class Query(NamedTuple):
    """Which accounts, in which order. `facets` maps band, tier, owner or segment to the value asked for."""

    order: Order = Order.SCORE
    facets: dict[str, str] = {}  # noqa: RUF012 - a tuple's default, never changed
    currency: str | None = None
    """For orders by money; None takes the currency of most accounts."""
    offset: int = 0
    limit: int = 20


class Page(NamedTuple):
    """Some accounts in order, and how many there are."""

    records: list[bytes]
    """As they were written."""
    total: int
    """Accounts that match and can be ranked."""
    currency: str | None
    """The currency that money was ranked in."""
    currencies: dict[str, int]
    """Ranked accounts by currency, for orders by money."""
    freshness: Freshness


class _SwappedError(Exception):
    """Another generation is current by now."""


class ViewReader:
    """Reads one view. Methods raise NoViewError, or redis.exceptions.RedisError while Redis is away."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._client: Any = client  # its types leave gaps
        self._keys = Keys(prefix)

    async def page(self, query: Query) -> Page:
        """The accounts that match, `limit` of them from `offset` on."""
        return await self._consistent(lambda name: self._page(name, query))

    async def account(self, account: str) -> tuple[bytes | None, Freshness]:
        """The record of an account; None if the view has none."""
        return await self._consistent(lambda name: self._account(name, account))

    async def known(self, facet_name: str) -> list[str]:
        """The values of a facet (owner, segment, ...) that some account has or had."""
        start = facet(facet_name, "")
        return await self._consistent(lambda name: self._known(name, start))

    async def _consistent(self, read: Callable[[str], Awaitable[T]]) -> T:
        for _ in range(TRIES):
            name = await self._client.get(self._keys.current)
            if name is None:
                raise NoViewError(await self._why_none())
            if not is_readable(name.decode()):
                raise NoViewError(
                    "the view is of another release and is not built anew yet: accountpulse view"
                )
            try:
                return await read(name.decode())
            except _SwappedError:
                continue
        raise NoViewError("the view is replaced over and over: is more than one view role rebuilding it?")

    async def _why_none(self) -> str:
        left = await self._rebuilding(await self._client.get(self._keys.building))
        if left is None:
            return "there is no view in this Redis: start `accountpulse view`"
        return f"the first view is being built, {left} records left"

    async def _rebuilding(self, name: bytes | None) -> int | None:
        if name is None or not is_readable(name.decode()):
            return None
        raw = await self._client.get(self._keys.meta(name.decode()))
        if raw is None:
            return None
        new = msgspec.json.decode(raw, type=Generation)
        return sum(max(end - new.positions[number], 0) for number, end in new.targets.items())

    async def _ask(self, name: str, *commands: Sequence[Any]) -> list[Any]:
        """The answers of some commands in one transaction on this generation."""
        async with self._client.pipeline() as tx:
            tx.get(self._keys.current)
            for command in commands:
                tx.execute_command(*command)
            answers: list[Any] = await tx.execute()
        current = answers.pop(0)
        if current is None or current.decode() != name:
            raise _SwappedError
        return answers

    async def _page(self, name: str, query: Query) -> Page:
        order, currency, currencies = await self._order(name, query)
        ids, total, freshness = await self._ranked(name, order, query)
        hashes = [("HGET", self._keys.account(name, account.decode()), "record") for account in ids]
        records = await self._ask(name, *hashes) if hashes else []
        return Page([raw for raw in records if raw is not None], total, currency, currencies, freshness)

    async def _order(self, name: str, query: Query) -> tuple[str, str | None, dict[str, int]]:
        """The sorted set to walk; for money that of one currency, and how many accounts each currency has."""
        if query.facets.get("band") == ENDED_BAND:
            return ENDED, None, {}
        if query.order in {Order.SCORE, Order.CHANGED}:
            return BY_SCORE if query.order is Order.SCORE else BY_CHANGED, None, {}
        start = BY_MRR_AT_RISK if query.order is Order.MRR_AT_RISK else BY_URGENCY
        names = [start + currency for currency in await self._known(name, start)]
        counts = await self._ask(name, *(("ZCARD", self._keys.index(name, index)) for index in names))
        currencies = {
            index.removeprefix(start): count for index, count in zip(names, counts, strict=True) if count
        }
        most = max(currencies, key=lambda c: (currencies[c], c), default="-")
        currency = (query.currency or most).upper()
        return start + currency, currency, currencies

    async def _ranked(self, name: str, order: str, query: Query) -> tuple[list[bytes], int, Freshness]:
        walk = "ZRANGE" if order == BY_SCORE else "ZREVRANGE"
        source = self._keys.index(name, order)
        facets = [] if order == ENDED else [facet(*item) for item in query.facets.items()]
        before, after = [], []
        if facets:
            sets = [self._keys.index(name, index) for index in facets]
            scratch = f"{self._keys.root}scratch:{secrets.token_hex(8)}"
            weights = [
                "WEIGHTS",
                1,
                *(0 for _ in sets),
            ]  # members of a set count 1: only the order's rank counts
            before = [("ZINTERSTORE", scratch, 1 + len(sets), source, *sets, *weights)]
            after, source = [("UNLINK", scratch)], scratch
        last = query.offset + query.limit - 1
        answers = await self._ask(
            name, *before, ("ZCARD", source), (walk, source, query.offset, last), *after, *self._asks(name)
        )
        total, ids = answers[len(before) : len(before) + 2]
        return ids, total, await self._freshness(answers[-3:])

    async def _account(self, name: str, account: str) -> tuple[bytes | None, Freshness]:
        raw, *rest = await self._ask(
            name, ("HGET", self._keys.account(name, account), "record"), *self._asks(name)
        )
        return raw, await self._freshness(rest)

    async def _known(self, name: str, start: str) -> list[str]:
        [names] = await self._ask(name, ("SMEMBERS", self._keys.indexes(name)))
        return sorted(n.decode().removeprefix(start) for n in names if n.decode().startswith(start))

    def _asks(self, name: str) -> list[tuple[str, str]]:
        keys = (self._keys.meta(name), self._keys.pulse(name), self._keys.building)
        return [("GET", key) for key in keys]

    async def _freshness(self, answers: Sequence[bytes | None]) -> Freshness:
        meta, pulse, building = answers
        told = msgspec.json.decode(meta, type=Generation) if meta else Generation(id="", positions={})
        beat = msgspec.json.decode(pulse, type=Pulse) if pulse else Pulse(UNSET, 0)
        left = await self._rebuilding(building)
        return Freshness(told.newest_as_of, told.newest_written, beat.at, beat.lag, left)
