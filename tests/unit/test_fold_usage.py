"""Usage: days, sketches, duplicates, and what lies outside the rings."""

import numpy as np
import pytest

from scoring.events import Usage
from scoring.facts import Facts
from scoring.fold.usage import fold_usage
from scoring.layout import NARROW, RECENT_IDS
from scoring.times import DAY, HOUR, iso, parse
from streams.pipeline import Partition
from tests.property.feeds import START, event, tell


def total(partition: Partition, fate: str) -> int:
    return sum(n for (_, f), n in partition.context.totals.events.items() if f == fate)


def look(partition: Partition, now: int = START) -> Facts:
    return Facts(partition.store, np.array([0]), now)


def test_windows_end_at_the_day():
    """A window of n days holds today and the n - 1 days before it, quantities rounded to the thousandth, half to even."""
    told = [event("usage", START - day * DAY, quantity=1.0005) for day in range(10)]
    facts = look(tell(told, START + HOUR))
    assert [int(facts.window("usage", n)[0]) for n in (1, 7, 128)] == [1000, 7000, 10_000]
    assert int(facts.window("usage", 3, 2)[0]) == 3000


@pytest.mark.parametrize(
    ("days", "fate", "errors"),
    [(31, "applied", 2), (32, "applied", 0), (127, "applied", 0), (128, "late", 0)],
)
def test_rings_end(days, fate, errors):
    """Usage counts for 128 days and its errors for 32; older events are late and told as such."""
    told = [event("usage", START, "other"), event("usage", START - days * DAY, quantity=1, errors=2)]
    partition = tell(told, START)
    assert total(partition, fate) == (2 if fate == "applied" else 1)
    row = partition.store.index[b"acme"]
    assert int(partition.store.rings["usage"][row].sum()) == (1000 if fate == "applied" else 0)
    assert int(partition.store.rings["errors"][row].sum()) == errors


def test_the_same_id_twice():
    """An id counts once a day and account; on another day, or for another account, it is another event."""
    one = {**event("usage", START, quantity=1), "event_id": "same"}
    told = [one, one, {**one, "account_id": "globex"}, {**one, "ts": "2024-10-03T00:00:00Z"}]
    partition = tell(told, START + HOUR)
    assert (total(partition, "applied"), total(partition, "duplicate")) == (3, 1)


@pytest.mark.parametrize(("between", "seen"), [(RECENT_IDS - 1, "duplicate"), (RECENT_IDS, "applied")])
def test_ids_are_remembered_for_32_events(between, seen):
    """A duplicate is recognised while fewer than 32 other usage events of its account came in between."""
    first = event("usage", START, quantity=1)
    others = [event("usage", START + n + 1, quantity=n + 1) for n in range(between)]
    partition = tell([first, *others, first], START + HOUR)
    assert total(partition, seen) == (1 if seen == "duplicate" else between + 2)


def test_users_features_and_activity():
    """Distinct users and features of five weeks, users of two weeks or more, and days with a quantity above zero."""
    week = 7 * DAY
    told = [
        event("usage", START - n * week, user_id=who, feature=f)
        for n, who, f in [(0, "a", "x"), (1, "a", "y"), (2, "b", "x"), (6, "c", "z")]
    ]
    told += [event("usage", START - DAY, quantity=0, counts={"w": 3, "v": 0}, active_users=17)]
    facts = look(tell(sorted(told, key=lambda e: parse(e["ts"])), START + HOUR))
    assert [
        round(int(v[0]) / 1000) for v in (facts.users(), facts.regular_users(), facts.features_used())
    ] == [2, 1, 3]
    assert int(facts.most_active_users()[0]) == 17
    assert [int(facts.active_days(n)[0]) for n in (1, 8, 28, 100)] == [1, 2, 3, 4]


def test_first_value():
    """The first value event is the earliest that says so, in whatever order they come."""
    told = [event("usage", START + day * DAY, value_event=v) for day, v in [(1, False), (3, True), (2, True)]]
    assert int(tell(told, START + 4 * DAY).store.hot["first_value_ts"][0]) == START + 2 * DAY


def test_many_errors_do_not_wrap():
    """Errors of a day add up beyond 32 bits, in memory and through a row."""
    told = [event("usage", START, event_id=f"e{i}", errors=1_000_000_000) for i in range(5)]
    partition = tell(told, START)
    assert int(partition.store.rings["errors"][0].sum()) == 5_000_000_000
    rebuilt = Partition(0, partition.context)
    rebuilt.restore([pair for block in partition.row_blocks() for pair in block])
    assert int(rebuilt.store.rings["errors"][0].sum()) == 5_000_000_000


def test_busy_account_makes_room_for_itself_alone():
    """Buckets widen when one account outgrows them, by events or by a row: what the others hold stays as it was."""
    told = [event("usage", START, "calm", quantity=3), event("usage", START, "busy", quantity=1e9)]
    partition = tell(told, START + HOUR)
    rows = [pair for block in partition.row_blocks() for pair in block]
    rebuilt = Partition(0, partition.context)
    for pair in sorted(rows, reverse=True):  # the calm one first
        rebuilt.restore([pair])
    for store in partition.store, rebuilt.store:
        units = {name: int(store.rings["usage"][store.index[name]].sum()) for name in (b"calm", b"busy")}
        assert units == {b"calm": 3_000, b"busy": 10**12}
        assert store.rings["usage"].wide_rows == 1
        assert store.rings["usage"][store.index[b"calm"]].dtype == NARROW["usage"]


def test_rings_ahead_of_today_take_no_day_that_left_them():
    """After a crash rings may stand days ahead: usage of a day that left them meanwhile does not pass for that of a new day."""
    store = tell([event("usage", START)], START).store
    store.roll(store.day + 7)
    store.today -= 7
    old = Usage(event_id="late", account_id="acme", ts=iso(START - 123 * DAY))
    assert fold_usage(store, np.array([0]), [old], np.array([START - 123 * DAY])).all()
    assert int(store.rings["usage"][0].sum()) == 1000
    assert int(np.bitwise_count(store.hot["active"][0, 0]).sum()) == 1
    assert int(store.hot["last_active"][0, 0]) == START // DAY


def test_bucket_that_was_full_does_not_wrap():
    """What is taken back from a counting ring that could not hold it all leaves nothing, not less than nothing."""
    store = tell([event("usage", START)], START).store
    for amount in (32_767, 1, -32_767, -1):
        store.count("marketing", 0, store.day // 7, amount)
    assert not store.rings["touches"][0].any()


def test_full_bucket_stays_full():
    """A bucket of a counting ring holds 32,767 at most; more does not wrap."""
    store = tell([event("usage", START)], START).store
    store.count("marketing", 0, store.day // 7, 32_767)
    store.count("marketing", 0, store.day // 7, 1)
    assert int(store.rings["touches"][0].max()) == 32_767
