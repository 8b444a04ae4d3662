"""The view in Redis: keys, generations, and one transaction for each batch.

A generation is a complete view under keys of its own; `current` names the one that readers use. Rows, their
indexes and the position in the topic are written in one MULTI, so there is no moment at which they disagree.
Every write watches the generation's description: if anybody else wrote (a second process, an operator who
emptied Redis, a replica that took over), it fails with SupersededError and nothing of it is seen.

    <prefix>view:current, :building      names of generations
    <prefix>view:retired                 set of generations that are to be deleted
    <prefix>view:<generation>:meta       `Generation` as JSON
    <prefix>view:<generation>:pulse      `Pulse` as JSON
    <prefix>view:<generation>:account:<account>   hash: record and the fields of `view_rows`
    <prefix>view:<generation>:by:..., in:...      sorted sets and sets of accounts
    <prefix>view:<generation>:indexes    set of the index names in use
    <prefix>view:<generation>:held       hash: account to the indexes it is in, which it may have to leave
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import WatchError

from scoring.layout import BANDS
from scoring.times import UNSET
from streams.view_rows import ENDED, IN_BAND, LAYOUT, Row, is_set

SWEEP: Final = 1000
"""Keys looked at in one step of a deletion."""
_PULSE_SECONDS: Final = 7 * 86_400


class SupersededError(Exception):
    """The view is no longer as this process left it; load it again."""


class Generation(Struct, frozen=True, kw_only=True):
    """One complete view, and how far it was read; offsets by partition."""

    id: str
    positions: dict[int, int]
    """Next offset to apply."""
    targets: dict[int, int] = {}
    """End offsets when it was begun: once reached, readers may see it."""
    newest_as_of: int = UNSET
    """Stream time of the newest record applied, milliseconds UTC."""
    newest_written: int = UNSET
    """Kafka timestamp of the record written last, milliseconds UTC."""

    @property
    def complete(self) -> bool:
        """Whether it holds what the topic held when it was begun."""
        return all(self.positions[number] >= end for number, end in self.targets.items())


class Pulse(Struct, frozen=True):
    """A sign of life of the role: when (milliseconds UTC), and how many records were still unread."""

    at: int
    lag: int


class Found(NamedTuple):
    """What lies in Redis: names, and their descriptions where they are of this layout."""

    current_id: str | None
    current: Generation | None
    building_id: str | None
    building: Generation | None
    pulse: Pulse | None
    """Of the generation that is written to."""


Rows = Mapping[str, Row | None]
"""The newest row of each account in some records; None: deleted."""


class Batch(NamedTuple):
    """Rows, and where the records end that they were made of."""

    rows: Rows
    positions: dict[int, int]
    newest_as_of: int = UNSET
    newest_written: int = UNSET


class Keys:
    """Names of keys under one prefix."""

    def __init__(self, prefix: str) -> None:
        self.root = f"{prefix}view:"
        self.current = f"{self.root}current"
        self.building = f"{self.root}building"
        self.retired = f"{self.root}retired"

    def meta(self, generation: str) -> str:
        """Its description."""
        return f"{self.root}{generation}:meta"

    def pulse(self, generation: str) -> str:
        """Its sign of life."""
        return f"{self.root}{generation}:pulse"

    def account(self, generation: str, account: str) -> str:
        """The hash of an account."""
        return f"{self.root}{generation}:account:{account}"

    def index(self, generation: str, name: str) -> str:
        """A set or sorted set of accounts."""
        return f"{self.root}{generation}:{name}"

    def held(self, generation: str) -> str:
        """The hash of what account is in which indexes."""
        return f"{self.root}{generation}:held"

    def indexes(self, generation: str) -> str:
        """The set of index names."""
        return f"{self.root}{generation}:indexes"


def is_readable(generation: str) -> bool:
    """Whether this release reads the layout of a generation, which its name begins with."""
    return generation.startswith(f"{LAYOUT}.")


class ViewStore:
    """What the role writes. Every method raises redis.exceptions.RedisError while Redis is away."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._client: Any = client  # its types leave gaps
        self._keys = Keys(prefix)
        self._sweeping: bytes | None = None
        self._cursor = 0
        self._found_in_cycle = 0

    async def load(self) -> Found:
        """What lies there now."""
        current, building = await self._client.mget(self._keys.current, self._keys.building)
        ids = [None if name is None else name.decode() for name in (current, building)]
        metas = [await self._meta(name) for name in ids]
        written = ids[1] or ids[0]
        raw = await self._client.get(self._keys.pulse(written)) if written else None
        return Found(
            ids[0], metas[0], ids[1], metas[1], msgspec.json.decode(raw, type=Pulse) if raw else None
        )

    async def _meta(self, name: str | None) -> Generation | None:
        if name is None or not is_readable(name):
            return None
        raw = await self._client.get(self._keys.meta(name))
        return msgspec.json.decode(raw, type=Generation) if raw else None

    async def begin(
        self, found: Found, starts: Mapping[int, int], ends: Mapping[int, int], now: int
    ) -> Generation:
        """An empty generation beside the current one; one that was being built is given up."""
        new = Generation(id=f"{LAYOUT}.{secrets.token_hex(6)}", positions=dict(starts), targets=dict(ends))
        keys = self._keys
        async with self._client.pipeline() as tx:
            await tx.watch(keys.current, keys.building)
            names = await tx.mget(keys.current, keys.building)
            if [name and name.decode() for name in names] != [found.current_id, found.building_id]:
                raise SupersededError
            tx.multi()
            tx.set(keys.building, new.id)
            tx.set(keys.meta(new.id), msgspec.json.encode(new))
            tx.set(keys.pulse(new.id), msgspec.json.encode(Pulse(now, 0)), ex=_PULSE_SECONDS)
            if found.building_id:
                tx.sadd(keys.retired, found.building_id)
                tx.unlink(keys.meta(found.building_id))
            await _execute(tx)
        return new

    async def apply(self, generation: Generation, batch: Batch) -> Generation:
        """Write a batch and the position behind it, all or nothing; returns the generation as it is then."""
        after = msgspec.structs.replace(
            generation,
            positions=batch.positions,
            newest_as_of=max(generation.newest_as_of, batch.newest_as_of),
            newest_written=max(generation.newest_written, batch.newest_written),
        )
        async with self._client.pipeline() as tx:
            await self._watch(tx, generation)
            held = await self._verify(generation, list(batch.rows))
            tx.multi()
            self._write(tx, generation.id, batch.rows, held)
            tx.set(self._keys.meta(generation.id), msgspec.json.encode(after))
            await _execute(tx)
        return after

    async def swap(self, generation: Generation) -> Generation:
        """Show a complete generation to readers; the one they saw is to be deleted."""
        keys, after = self._keys, msgspec.structs.replace(generation, targets={})
        async with self._client.pipeline() as tx:
            await self._watch(tx, generation)
            await self._verify(generation, [])
            old = await tx.get(keys.current)
            tx.multi()
            tx.set(keys.current, generation.id)
            tx.delete(keys.building)
            tx.set(keys.meta(generation.id), msgspec.json.encode(after))
            if old is not None:
                tx.sadd(keys.retired, old)
                tx.unlink(keys.meta(old.decode()))
            await _execute(tx)
        return after

    async def beat(self, generation: Generation, pulse: Pulse) -> dict[str, int]:
        """Leave a sign of life; returns accounts by band. Raises SupersededError as a write would."""
        await self._verify(generation, [])
        keys, name = self._keys, generation.id
        async with self._client.pipeline(transaction=False) as ask:
            # it expires, lest a Redis emptied in this very moment keeps it for ever
            ask.set(keys.pulse(name), msgspec.json.encode(pulse), ex=_PULSE_SECONDS)
            for band in BANDS:
                ask.scard(keys.index(name, IN_BAND + band))
            ask.zcard(keys.index(name, ENDED))
            _, *counts = await ask.execute()
        return dict(zip((*BANDS, "ended"), counts, strict=True))

    async def sweep(self) -> bool:
        """One small step of deleting what is retired; returns whether there was anything to do.

        Keys are found by scanning, whatever layout they are of.
        """
        retired = min(await self._client.smembers(self._keys.retired), default=None)
        if retired != self._sweeping:
            self._sweeping, self._cursor, self._found_in_cycle = retired, 0, 0
        if retired is None:
            return False
        pattern = re.sub(r"([\\*?\[\]^])", r"\\\1", f"{self._keys.root}{retired.decode()}:") + "*"
        self._cursor, names = await self._client.scan(self._cursor, match=pattern, count=SWEEP)
        if names:
            await self._client.unlink(*names)
        self._found_in_cycle += len(names)
        if self._cursor == 0:  # once around: whatever was there when the round began has been seen
            if not self._found_in_cycle:
                await self._client.srem(self._keys.retired, retired)
            self._found_in_cycle = 0
        return True

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _watch(self, tx: Pipeline, generation: Generation) -> None:
        await tx.watch(self._keys.current, self._keys.building, self._keys.meta(generation.id))

    async def _verify(self, generation: Generation, accounts: Sequence[str]) -> list[list[str]]:
        """The indexes that each account is in. Raises SupersededError if the generation is not as given."""
        keys, name = self._keys, generation.id
        async with self._client.pipeline(transaction=False) as ask:
            ask.mget(keys.current, keys.building, keys.meta(name))
            if accounts:
                ask.hmget(keys.held(name), accounts)
            (current, building, meta), *held = await ask.execute()
        written = current if building is None else building
        if written is None or written.decode() != name or meta != msgspec.json.encode(generation):
            raise SupersededError
        return [msgspec.json.decode(raw, type=list[str]) if raw else [] for raw in (held[0] if held else [])]

    def _write(self, tx: Pipeline, name: str, rows: Rows, held: Sequence[Sequence[str]]) -> None:
        """Queue the commands: one or two per account, and per index."""
        keys = self._keys
        for (account, row), old in zip(rows.items(), held, strict=True):
            key = keys.account(name, account)
            if old:
                tx.delete(key)  # a field that is no longer told must not stay
            if row:
                fields: dict[Any, Any] = {**row.fields, "record": row.record}
                tx.hset(key, mapping=fields)
        if kept := {account: msgspec.json.encode(list(row.indexes)) for account, row in rows.items() if row}:
            tx.hset(keys.held(name), mapping=dict[Any, Any](kept))
        if gone := [account for account, row in rows.items() if row is None]:
            tx.hdel(keys.held(name), *gone)
        self._index(tx, name, rows, held)

    def _index(self, tx: Pipeline, name: str, rows: Rows, held: Sequence[Sequence[str]]) -> None:
        put, drop = _moves(rows, held)
        for index, accounts in drop.items():
            remove = tx.srem if is_set(index) else tx.zrem
            remove(self._keys.index(name, index), *accounts)
        for index, ranks in put.items():
            key = self._keys.index(name, index)
            if is_set(index):
                tx.sadd(key, *ranks)
            else:
                tx.zadd(key, ranks)
        if put:
            tx.sadd(self._keys.indexes(name), *put)


def _moves(
    rows: Rows, held: Sequence[Sequence[str]]
) -> tuple[dict[str, dict[str, float]], dict[str, list[str]]]:
    """By index: accounts to put there with their rank, and accounts that leave it."""
    put: dict[str, dict[str, float]] = {}
    drop: dict[str, list[str]] = {}
    for (account, row), old in zip(rows.items(), held, strict=True):
        indexes = row.indexes if row else {}
        for index, rank in indexes.items():
            put.setdefault(index, {})[account] = rank
        for index in set(old).difference(indexes):
            drop.setdefault(index, []).append(account)
    return put, drop


async def _execute(tx: Pipeline) -> None:
    try:
        await tx.execute()
    except WatchError:
        raise SupersededError from None
