"""Recovery unpacks the next rows while others are put back: they count only for the assignment they were fetched for."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from streams.fetch import RecordBlock
from streams.transport import ConsumerThread

BLOCK = RecordBlock(TP("state", 0), 5, 9, [])


def fetcher(assignment: object) -> Any:
    return SimpleNamespace(
        _subscriptions=SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))
    )


def fetched(before: object, after: object) -> list[dict[TP, RecordBlock]]:
    """What two calls in turn are given of blocks that were fetched under one assignment, asked for under another."""

    async def ahead() -> dict[TP, RecordBlock]:
        await asyncio.sleep(0)
        return {BLOCK.tp: BLOCK}

    async def ask() -> list[dict[TP, RecordBlock]]:
        thread = object.__new__(ConsumerThread)
        thread._ahead = before, asyncio.create_task(ahead())
        return [await thread._fetched_ahead(fetcher(after)) for _ in range(2)]

    return asyncio.run(ask())


def test_what_was_fetched_ahead_is_given_once() -> None:
    """Under the same assignment the next fetch has these blocks, and the one after it does not."""
    assignment = object()
    assert fetched(assignment, assignment) == [{BLOCK.tp: BLOCK}, {}]


def test_nothing_is_given_to_another_assignment() -> None:
    """After a rebalance, be it of the same partitions, positions were set anew: what was fetched before would be a hole."""
    assert fetched(object(), object()) == [{}, {}]
