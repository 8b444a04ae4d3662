"""The load of the benchmarks: what it says it is, on the partitions the product expects, and what was produced can be recounted."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.keys import Picker, key_bytes, murmur2, partitions_of, zipf_shares
from bench.load import SHARES, Fleet, Generator, Load
from bench.tally import Tally
from scoring.events import SOURCES, Account, Ticket, decode
from scoring.times import DAY, HOUR, parse
from streams import partitioner
from streams.cli.produce import route

START = parse("2026-03-01T10:00:00Z")
LOAD = Load(events=30_000, accounts=700, start_ms=START, per_second=2_000)


def blocks(load: Load, size: int = 5_000):
    return list(Generator(load, Fleet(load.accounts, 4)).blocks(size))


@given(st.integers(0, 40), st.binary(min_size=200, max_size=200))
def test_murmur2(length, data):
    """Hashing whole arrays gives what the product's partitioner gives key by key, for every length."""
    rows = np.frombuffer(data[: 5 * length], np.uint8).reshape(5, length)
    assert murmur2(rows).tolist() == [partitioner.murmur2(row.tobytes()) for row in rows]


def test_partitions():
    """Accounts are sent to the partitions where the product looks for them."""
    numbers = np.arange(0, 9_000_000, 12_345)
    keys = [row.tobytes() for row in key_bytes(numbers)]
    assert keys[1] == b"acct-0012345"
    assert partitions_of(numbers, 12).tolist() == [partitioner.partition_of(key, 12) for key in keys]


def test_zipf():
    """The busiest account gets its share by Zipf, and uniform keys give nobody more than the others."""
    random = np.random.default_rng(1)
    counts = np.bincount(Picker(1_000, zipf=True, random=random).draw(200_000))
    assert abs(counts.max() / 200_000 - zipf_shares(1_000)[0]) < 0.01
    flat = np.bincount(Picker(1_000, zipf=False, random=random).draw(200_000), minlength=1_000)
    assert flat.max() < 300


def test_events_are_valid_and_mixed():
    """Every event is one of the contract, goes to its topic, names its own key, and the types come in the stated shares."""
    types: Counter[str] = Counter()
    for block in blocks(LOAD):
        for source, key, value, at in zip(
            block.sources.tolist(), block.keys, block.values, block.times.tolist(), strict=True
        ):
            event = decode(value)
            assert (SOURCES[source], key) == route(value)
            assert (event.account_id.encode(), parse(event.ts)) == (key, at)
            types[type(event).__name__.lower()] += 1
    assert all(abs(types[name] / LOAD.events - share) < 0.01 for name, share in SHARES.items())


def test_same_load_same_bytes():
    """A load is the same every time, however it is cut into blocks."""
    whole = [v for block in blocks(LOAD, 30_000) for v in block.values]
    again = [v for block in blocks(LOAD, 30_000) for v in block.values]
    assert whole == again
    assert len({decode(v).event_id for v in whole}) == LOAD.events


def test_time_and_pace():
    """Event time ascends at the pace of the load; a backlog ends where the load would have begun."""
    times = np.concatenate([block.times for block in blocks(LOAD)])
    assert (np.diff(times) >= 0).all()
    assert (times[0], times[-1]) == (START, START + 14_999)
    old = LOAD.backlog(2, 10_000)
    assert (old.events, old.start_ms, old.per_second) == (20_000, START - 2 * DAY, 10_000 / 86_400)


def test_accounts_behave():
    """An account says again what it pays nearly every time, and closes only tickets that it opened."""
    prices: dict[str, list[float]] = {}
    opened: set[tuple[str, str]] = set()
    for block in blocks(Load(60_000, 100, START, 2_000)):
        for value in block.values:
            event = decode(value)
            if isinstance(event, Account):
                prices.setdefault(event.account_id, []).append(event.mrr)
            elif isinstance(event, Ticket):
                name = event.account_id, event.ticket_id
                opened |= {name} if event.action == "opened" else set()
                assert name in opened
    changes = [a != b for told in prices.values() for a, b in pairwise(told)]
    assert 0 < sum(changes) / len(changes) < 0.2


def produced() -> tuple[Tally, np.ndarray, np.ndarray, np.ndarray]:
    tally = Tally(LOAD.accounts, 4)
    units, fences = np.zeros(LOAD.accounts, np.int64), np.full((LOAD.accounts, len(SOURCES)), -1)
    ends: Counter[tuple[int, int]] = Counter()
    for block in blocks(LOAD):
        tally.add(block)
        for account, source, partition, units_of_event in zip(
            block.accounts.tolist(),
            block.sources.tolist(),
            block.partitions.tolist(),
            block.quantities.tolist(),
            strict=True,
        ):
            units[account] += units_of_event
            fences[account, source] = ends[source, partition]
            ends[source, partition] += 1
    return tally, np.arange(LOAD.accounts), units, fences


def test_recount():
    """The tally agrees with a plain count of what was produced, event by event."""
    tally, accounts, units, fences = produced()
    assert tally.events == LOAD.events
    assert tally.wrong(accounts, units, fences) == 0


def test_recount_sees_every_kind_of_error():
    """One unit too many, one event that was not applied, an account that is missing or comes twice: each is one wrong account."""
    tally, accounts, units, fences = produced()
    more = units.copy()
    more[5] += 1
    assert tally.wrong(accounts, more, fences) == 1
    behind = fences.copy()
    behind[7, 0] -= 1
    assert tally.wrong(accounts, units, behind) == 1
    assert tally.wrong(accounts[1:], units[1:], fences[1:]) == 1
    twice = np.append(accounts, 3)
    assert tally.wrong(twice, units[twice], fences[twice]) == 1


def test_past_of_accounts():
    """Rows of the past restore as they were, hold the units they claim, and one account in fifty has an alert."""
    from bench.seed import templates  # noqa: PLC0415 - folds 120 days
    from scoring.row import restore_rows  # noqa: PLC0415
    from scoring.state import Store  # noqa: PLC0415

    rows = templates(START, count=60)
    store = Store()
    restore_rows(store, [(b"acct-%07d" % i, row.value) for i, row in enumerate(rows)])
    assert (store.rings["usage"][:60].sum(axis=1) // 1000).tolist() == [row.units for row in rows]
    assert min(row.units for row in rows) > 100
    assert set(store.hot["tick"][:60].tolist()) == {START // HOUR * HOUR}
    assert (store.hot["pub_day"][:60] == START // DAY).all()
    assert (store.hot["fence"][:60] == -1).all()
    firing = [row for row in range(60) if any(level.episode for level in store.tails[row].levels.values())]
    assert len(firing) == 2
