"""The clock of a backlog does not outrun the commits: what a crash leaves in the log stays within what rings can tell."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.model import default_model
from scoring.row import encode_rows
from scoring.times import DAY, HOUR, iso
from streams.context import DAYS_PER_COMMIT, build_context, make_context
from streams.pipeline import Partition
from streams.settings import Settings
from streams.ticking import TickLine
from tests.property.feeds import START, event, feed, settle

DAYS = 100
EVENTS = sorted(
    [
        event("usage", START + d * DAY + HOUR, who, quantity=1 + d % 3, feature=f"f{d // 7}", user_id=f"u{d // 7}")
        for d in range(DAYS)
        for who in ("acme", "globex")
    ],
    key=lambda e: e["ts"],
)  # fmt: skip


def partition(lines: dict[tuple[str, str], TickLine], limit: int | None) -> Partition:
    def log(told):
        lines.update({(line.as_of, line.account_id): line for line in told})

    return Partition(
        0, make_context(default_model(), tick_ms=DAY, grace_ms=0, tick_log=log, days_per_commit=limit)
    )


def commit(one: Partition) -> dict[int, tuple[int, str]]:
    """A commit as far as the clock is concerned."""
    return one.positions()


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_waits_for_commits_and_says_the_same(limit):
    """The clock stops a few days behind the last commit, goes on after the next one, and tells what it tells without a limit."""
    free, bound = {}, {}
    whole, held = partition(free, None), partition(bound, limit)
    for one in (whole, held):
        feed(one, EVENTS)
        settle(one, START + (DAYS + 1) * DAY)
    assert not whole.held_back
    commits = 0
    while held.held_back:
        before = held.clock_ms
        commit(held)
        settle(held, START + (DAYS + 1) * DAY)
        assert held.clock_ms - before <= (limit + 1) * DAY
        commits += 1
    assert commits >= DAYS // (limit + 1)
    assert bound == free


def test_workers_have_a_limit():
    """What a worker is built with keeps three commits within the week that rings have to spare."""
    assert build_context(Settings()).days_per_commit == DAYS_PER_COMMIT
    assert 3 * (DAYS_PER_COMMIT) <= 7


@pytest.mark.parametrize("ahead", [1, 3, 7])
def test_rows_within_a_week_ahead_change_nothing(ahead):
    """A crash that leaves one account's row up to a week ahead of the committed clock changes no tick of the other account."""
    end, at = START + (DAYS + 1) * DAY, START + 60 * DAY
    free: dict[tuple[str, str], TickLine] = {}
    whole = partition(free, None)
    feed(whole, EVENTS)
    settle(whole, end)
    committed, later = partition({}, None), partition({}, None)
    for one, until in ((committed, at), (later, at + ahead * DAY)):
        feed(one, [e for e in EVENTS if e["ts"] < iso(until)])
        settle(one, until)
    again_told: dict[tuple[str, str], TickLine] = {}
    again = partition(again_told, None)
    again.restore(encode_rows(committed.store, np.arange(committed.store.n)))
    again.restore([row for row in encode_rows(later.store, np.arange(later.store.n)) if row[0] == b"globex"])
    for source, (offset, metadata) in commit(committed).items():
        again.resume(source, metadata)
        feed(again, EVENTS[offset:], offset)
    again.takeover()
    settle(again, end)
    assert {k for k in again_told if k[1] == "acme"} == {
        k for k in free if k[1] == "acme" and k[0] >= iso(at)
    }
    assert {k: v for k, v in again_told.items() if free[k] != v} == {}
