"""Every point has a reason: the parts of a change sum to it, and name what was behind it."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.times import DAY, HOUR
from streams.pipeline import Partition
from tests.property.feeds import START, context, event, feed, settle
from tests.property.strategies import END, living


def published(partition: Partition) -> list[dict]:
    return [msgspec.json.decode(value) for block in partition.score_blocks() for _, value in block]


def check(records: list[dict], before: dict[str, float | None]) -> int:
    """Compare every record with the one before of its account; returns how many changes were explained."""
    explained = 0
    for record in records:
        old, new = before.get(record["account_id"]), record["score"]
        if old is not None and new is not None:
            parts = sum(d["points"] for d in record.get("drivers", []))
            assert parts == round(new * 1000) - round(old * 1000), record
            explained += 1
        before[record["account_id"]] = new
    return explained


@settings(max_examples=15, deadline=None)
@given(
    events=st.lists(living, min_size=5, max_size=40).map(lambda es: sorted(es, key=lambda e: e["ts"])),
    cuts=st.integers(2, 5),
)
def test_parts_sum_to_the_change(events, cuts):
    """The drivers of every published record sum to its change since the record before, to the thousandth of a point."""
    partition, before = Partition(0, context()), {}
    step = max(1, len(events) // cuts)
    for at in range(0, len(events), step):
        feed(partition, events[at : at + step], at)
        settle(partition, START + (END - START) * (at + step) // len(events))
        check(published(partition), before)
    for day in range(1, 12):
        settle(partition, END + day * 9 * DAY)
        check(published(partition), before)


CREATED = event("account", START, action="created", seats=10)
OPENED = event("ticket", START + 40 * DAY, action="opened", ticket_id="T1", priority="urgent")
ANSWER = event("survey", START + 40 * DAY, kind="nps", score=9)


def test_clock_and_events_are_told_apart():
    """What an ageing ticket costs is booked to the clock, what closing it brings to the event that closed it."""
    partition = Partition(0, context(tick=HOUR))
    feed(partition, [CREATED, OPENED, ANSWER])
    settle(partition, START + 40 * DAY + HOUR)
    before = {r["account_id"]: r["score"] for r in published(partition)}
    settle(partition, START + 42 * DAY)
    [aged] = published(partition)
    assert {(d["dimension"], d["cause"]) for d in aged["drivers"]} == {
        ("support", "clock"),
        ("sentiment", "clock"),
    }
    assert check([aged], before) == 1
    closed = event("ticket", START + 42 * DAY + HOUR, action="closed", ticket_id="T1")
    feed(partition, [closed], 3)
    settle(partition, START + 42 * DAY + HOUR + 1)
    [mended] = published(partition)
    by_event = next(d for d in mended["drivers"] if d["cause"] == "event")
    assert (by_event["dimension"], by_event["events"][0]) == ("support", closed["event_id"])
    assert by_event["points"] > 0
    assert check([mended], before) == 1


@pytest.mark.parametrize("days", [128, 200])
def test_evidence_that_goes_is_named(days):
    """When the last answer is forgotten, its dimension's points leave under `evidence_missing`, and the others are `reweighted`."""
    partition = Partition(0, context())
    feed(partition, [CREATED, OPENED, ANSWER])
    settle(partition, START + 41 * DAY)
    before = {r["account_id"]: r["score"] for r in published(partition)}
    settle(partition, START + (41 + days) * DAY)
    [record] = published(partition)
    causes = {d["dimension"]: d["cause"] for d in record["drivers"]}
    assert causes["sentiment"] == "evidence_missing"
    assert causes["support"] == "reweighted"
    assert check([record], before) == 1
