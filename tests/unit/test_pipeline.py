"""One partition in time: what a tick sees, what waits, what is late, and that no bad record harms the others."""

from __future__ import annotations

import msgspec
import pytest

from scoring.times import DAY, HOUR, UNSET, iso, parse
from streams import clock_metadata
from streams.pipeline import Partition
from tests.property.feeds import ALL_IDLE, START, Record, context, event, feed, folded, record, settle, tell

MINUTE = 60_000
GRACE = 10_000


def minutes(*, n: int = 1) -> Partition:
    return Partition(0, context(tick=n * MINUTE, grace=GRACE))


def fates(partition: Partition) -> dict[str, int]:
    out: dict[str, int] = {}
    for (_, fate), n in partition.context.totals.events.items():
        out[fate] = out.get(fate, 0) + n
    return out


def used(partition: Partition) -> int:
    """Quantity of all usage folded so far."""
    return int(partition.store.rings["usage"][: partition.store.n].sum()) // 1000


@pytest.mark.parametrize(
    ("ts", "fate"),
    [
        ("2999-01-01T00:00:00Z", "dead"),
        ("1971-01-01T00:00:00Z", "late"),
        ("not a time at all....", "dead"),
        ("2024-13-01T00:00:00Z", "dead"),
    ],
)
def test_one_bad_timestamp_evicts_nothing(ts, fate):
    """An event dated far ahead, far back or not at all leaves every bucket of everybody as it was."""
    days = [
        event("usage", START + day * DAY + HOUR, who, quantity=1)
        for day in range(100)
        for who in ("acme", "globex")
    ]
    bad = {**event("usage", START), "event_id": "bad", "ts": ts}
    expected, partition = Partition(0, context()), Partition(0, context())
    for p, told in ((expected, days), (partition, [*days[:100], bad, *days[100:]])):
        p.feed(0, [record(i, e, arrived=START + 101 * DAY) for i, e in enumerate(told)])
        settle(p, START + 101 * DAY)
    assert folded(partition.store) == folded(expected.store)
    assert fates(partition) == {"applied": 200, fate: 1}


@pytest.mark.parametrize(("newest", "time", "at_first_tick"), [(62_000, 55_000, 1 + 4), (75_000, 59_000, 1)])
def test_late_counts_from_the_next_tick(newest, time, at_first_tick):
    """An event within the grace of its feed counts as if it had come in time; a later one from the next tick that is not yet certain."""
    partition = minutes()
    times = [(50_000, 1), (newest, 2), (time, 4)]
    feed(partition, [event("usage", START + t, quantity=q) for t, q in times])
    settle(
        partition, START + MINUTE + GRACE
    )  # the moment before the first tick: all that it may see is folded
    assert (partition.as_of, used(partition)) == (UNSET, at_first_tick)
    settle(partition, START + 2 * MINUTE + GRACE)
    assert (partition.as_of, used(partition)) == (START + MINUTE, 1 + 2 + 4)
    assert fates(partition) == {"applied": 3}


def test_silent_source_holds_the_clock():
    """No tick runs while a source that is not idle may still hold an earlier event."""
    partition = minutes()
    feed(partition, [event("usage", START + 30_000), event("usage", START + HOUR)])
    list(partition.advance(START + DAY, ALL_IDLE - {1}))
    assert partition.context.totals.ticks == 0
    list(partition.advance(START + DAY, ALL_IDLE))
    assert partition.as_of == START + 23 * HOUR


def test_slowest_is_whom_the_others_wait_for():
    """Those of which nothing is known; then those whose next event may be the earliest, an idle one by what time it is."""
    p = minutes()
    assert p.slowest(START, frozenset()) == set(range(6))
    for source, minute in ((0, 1), (1, 5)):
        p.feed(source, [record(0, event("usage", START + minute * MINUTE))])
    rest = frozenset(range(2, 6))
    assert p.slowest(START, frozenset()) == rest, "nobody reads far ahead of them"
    assert p.slowest(START + 9 * MINUTE, rest) == {0}
    assert p.slowest(START + 9 * MINUTE, rest | {0}) == {0}, "its event still waits to be folded"
    for _ in p.advance(START + 9 * MINUTE, rest | {0}):
        pass
    assert p.slowest(START + 9 * MINUTE, rest | {0}) == {1}


def test_missed_ticks_run_in_order():
    """A backlog is lived through tick by tick: every full hour evaluates everybody, and nothing is skipped or told twice."""
    lines: list[str] = []
    where = context(
        tick=10 * MINUTE, grace=GRACE, tick_log=lambda told: lines.extend(line.as_of for line in told)
    )
    tell([event("usage", START + 1), event("usage", START + 5 * HOUR)], START + 8 * HOUR + GRACE + 1, where)
    assert lines == [iso(START + 10 * MINUTE), *(iso(START + h * HOUR) for h in range(1, 9))]


def test_records_read_again():
    """Records that are read again after a rewind are counted as replayed and change nothing."""
    partition = minutes()
    told = [event("usage", START + n * 1000, quantity=1) for n in range(5)]
    feed(partition, told[:4])
    feed(partition, told)
    settle(partition, START + HOUR)
    assert used(partition) == 5
    assert fates(partition) == {"applied": 5, "replayed": 4}


def test_return_after_the_end():
    """What an ended account does waits; it counts if the account comes back by the next tick, and is dropped if not."""

    def story(*extra):
        partition = minutes()
        feed(
            partition,
            [
                event("account", START + 1, action="signup"),
                event("usage", START + 2, quantity=1),
                event("churn", START + 3),
            ],
        )
        settle(partition, START + MINUTE + GRACE + 1)
        feed(partition, [event("usage", START + 80_000, quantity=10), *extra], 3)
        settle(partition, START + 3 * MINUTE)
        return partition

    gone = story()
    assert fates(gone) == {"applied": 4}
    assert used(gone) == 1
    back = story(event("account", START + 70_000, action="signup"))
    assert used(back) == 10
    assert back.store.hot["term"][0] == 1
    assert back.bands()["insufficient_data", "unknown"] == 1
    assert gone.bands()["ended", "unknown"] == 1


def test_dead_letters_name_place_and_reason():
    """A rejected record leaves with topic, partition, offset, reason and its bytes."""
    partition = minutes()
    partition.feed(
        3,
        [
            Record(41, START, b"acme", b"{"),
            record(42, event("survey", START - 1, kind="nps", score=9), arrived=START),
        ],
    )
    [(key, value)] = partition.drain_dead_letters()
    letter = msgspec.json.decode(value)
    assert key == b"acme"
    assert (letter["topic"], letter["partition"], letter["offset"], letter["reason"]) == (
        "surveys",
        0,
        41,
        "malformed",
    )
    assert partition.drain_dead_letters() == []


def test_publication():
    """A score is published when it moves by half a point, when band or coverage change, and else once a day."""
    partition = Partition(0, context(tick=HOUR))

    def records(now: int) -> list[dict]:
        settle(partition, now)
        return [msgspec.json.decode(value) for block in partition.score_blocks() for _, value in block]

    feed(
        partition,
        [event("account", START + 1, action="created"), event("survey", START + 2, kind="nps", score=10)],
    )
    onboarding = records(START + HOUR + 1)
    assert [(r["score"], r["band"], r["version"]) for r in onboarding] == [(None, "insufficient_data", 1)]
    days = [records(START + day * DAY + HOUR + 1) for day in range(1, 30)]
    assert {len(d) for d in days} == {1}
    [scored] = records(START + 31 * DAY + 1)
    assert scored["dimensions"].keys() == {"sentiment"}
    assert records(START + 31 * DAY + HOUR + 1) == records(START + 31 * DAY + 2 * HOUR + 1) == []
    feed(
        partition,
        [event("survey", START + 31 * DAY + 2 * HOUR + 2, kind="nps", score=0, respondent_id="other")],
        2,
    )
    [moved] = records(START + 31 * DAY + 3 * HOUR + 1)
    assert moved["score"] < scored["score"] - 0.5


def test_commit_follows_what_was_taken():
    """Offsets to commit cover what was folded or is held in a row, not what waits in memory."""
    partition = minutes()
    told = [
        event("usage", START + 1000),
        event("usage", START + 100_000),
        event("usage", START + 2000),
        event("usage", START + 300_000),
    ]
    feed(partition, told)
    list(partition.advance(START + 100_000, ALL_IDLE))
    offset, metadata = partition.positions()[0]
    assert offset in {1, 2, 3}
    assert clock_metadata.decode(metadata)[1].newest in {parse(told[0]["ts"]), parse(told[1]["ts"])}
    settle(partition, START + HOUR)
    assert partition.positions()[0][0] == 4


def test_what_travels_with_a_commit_stays_small():
    """Hundreds of events, each of an hour of its own, leave metadata far below the 4 KiB that a broker takes."""
    partition = Partition(0, context(tick=HOUR))
    for n in range(300):
        at = START + n * 3 * HOUR
        partition.feed(0, [record(n, event("usage", at, f"a{n}"))])
        for _ in partition.advance(at, frozenset(range(1, 6))):
            pass
    assert max(len(metadata) for _, metadata in partition.positions().values()) < 300


def test_what_evaluates_nobody_travels_no_further():
    """Repetitions, one a minute for most of an hour, let no tick run; what the clock has passed is not told with a commit either."""
    partition = minutes()
    for n in range(55):
        at = START + n * MINUTE + 1
        partition.feed(0, [record(n, event("usage", at, "a") | {"event_id": "same"})])
        for _ in partition.advance(at, frozenset(range(1, 6))):
            pass
    assert partition.context.totals.ticks <= 2
    assert max(len(metadata) for _, metadata in partition.positions().values()) < 150


def test_scores_in_turn():
    """Whoever publishes a block at a time reaches every account, though each day moves the scores of all."""
    names = [f"a-{n}" for n in range(600)]
    partition, seen = Partition(0, context()), set()
    feed(partition, [event("usage", START + HOUR, who, quantity=5) for who in names])
    for day in (1, 2, 3):
        settle(partition, START + day * DAY + 1)
        block = next(partition.score_blocks())
        assert len(block) < len(names)
        seen |= {key.decode() for key, _ in block}
    assert seen == set(names)


@pytest.fixture
def under_way(monkeypatch) -> Partition:
    """Of three accounts that a tick concerns it has evaluated the first."""
    monkeypatch.setattr("streams.ticking._SLICE", 1)
    return in_the_middle_of(START + MINUTE)


def in_the_middle_of(tick: int) -> Partition:
    partition = minutes()
    feed(partition, [event("usage", tick - MINUTE + 1_000, who, quantity=5) for who in ("a", "b", "c")])
    steps = partition.advance(tick + GRACE + 1, ALL_IDLE)
    while partition.context.totals.ticks == 0 or partition.store.hot["tick"][0] == UNSET:
        next(steps)
    partition.steps = steps  # type: ignore[attr-defined]  # or it would be closed
    return partition


def test_who_follows_a_tick_under_way_is_evaluated_first(under_way):
    """An event of after the tick is folded at once; the tick has reached its account by then, and the others come later."""
    under_way.feed(0, [record(3, event("usage", START + MINUTE + 1, "c", quantity=100))])
    assert under_way.fold_meanwhile()
    assert used(under_way) == 115
    assert under_way.store.hot["tick"][:3].tolist() == [START + MINUTE, UNSET, START + MINUTE]
    assert {key for block in under_way.score_blocks() for key, _ in block} == {b"a", b"c"}
    list(under_way.steps)
    assert under_way.store.hot["tick"][:3].tolist() == [START + MINUTE] * 3
    assert {key for block in under_way.score_blocks() for key, _ in block} == {b"b"}
    settle(under_way, START + HOUR - 1)
    assert under_way.store.hot["tick"][:3].tolist() == [START + MINUTE, START + MINUTE, START + 2 * MINUTE]


def test_who_is_behind_ends_the_tick_first(under_way):
    """With many events waiting, as in a backlog, nothing comes between the slices of a tick."""
    under_way.feed(
        0, [record(3 + n, event("usage", START + MINUTE + n, "c", quantity=1)) for n in range(600)]
    )
    assert not under_way.fold_meanwhile()
    assert used(under_way) == 15


def test_the_next_day_waits_for_the_end_of_the_last_tick(monkeypatch):
    """Across midnight nothing comes between the slices: the buckets of all accounts move on at once."""
    monkeypatch.setattr("streams.ticking._SLICE", 1)
    for tick, folded_now in ((START + DAY - 2 * MINUTE, 115), (START + DAY - MINUTE, 15)):
        partition = in_the_middle_of(tick)
        partition.feed(0, [record(3, event("usage", tick + 1, "c", quantity=100))])
        assert partition.fold_meanwhile() == (folded_now == 115)
        assert used(partition) == folded_now
