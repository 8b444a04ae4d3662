"""A takeover of many accounts: in slices, before anything else, and whole also if its caller stops in between."""

from __future__ import annotations

import json
from collections import Counter

from alerts.model import Alert, Phase, Reason, decode_alert
from scoring.layout import BANDS
from scoring.times import DAY, HOUR, iso
from streams.context import make_context
from streams.pipeline import Partition
from tests.property.feeds import ALL_IDLE, START, context, event, feed, record, settle
from tests.stories import small_model

NOON = START + 12 * HOUR
MANY = 600
COMPLAINS = {"action": "opened", "ticket_id": "T-1", "priority": "urgent", "complaint": True}
RULES = {
    "urgent_ticket_ageing": {"hours_per_tier": {"high_touch": 24, "low_touch": 24, "tech_touch": 24}},
    "complaint": {},
}


def partition() -> Partition:
    return Partition(0, make_context(small_model(RULES), tick_ms=6 * HOUR, grace_ms=0))


def told(one: Partition) -> list[Alert]:
    return [decode_alert(value) for _, value in one.drain_alerts()]


def taken_over() -> tuple[Partition, list[Alert]]:
    """A partition that is to be taken over, and what was told of it before."""
    first, second = partition(), partition()
    first.feed(1, [record(n, event("ticket", NOON, f"a-{n}", **COMPLAINS)) for n in range(MANY)])
    settle(first, START + 3 * DAY)
    before = told(first)
    second.restore([row for block in first.row_blocks() for row in block])
    for source, (_, metadata) in first.positions().items():
        second.resume(source, metadata)
    second.takeover()
    return second, before


def names(alerts: list[Alert]) -> Counter[tuple[str, str, int]]:
    return Counter((a.id, a.phase.value, a.revision) for a in alerts)


def test_slices_are_short():
    """No slice composes more than some dozens of alerts, and together they tell each alert once."""
    second, before = taken_over()
    again = []
    for _ in second.advance(START + 3 * DAY, ALL_IDLE):
        some = told(second)
        assert len(some) <= 32
        again += some
    assert names(again) == names(before)
    assert len(again) == 2 * MANY
    assert {a.reason for a in again} == {Reason.TAKEOVER}
    assert all(a.evidence for a in again)


def test_who_stops_in_between_loses_nothing():
    """A caller that gives up after each slice and asks again gets each alert once."""
    second, before = taken_over()
    asked, again = 0, []
    while len(again) < len(before):
        asked += 1
        next(second.advance(START + 3 * DAY, ALL_IDLE), None)
        again += told(second)
    assert names(again) == names(before)
    assert asked > 2 * MANY / 32
    settle(second, START + 3 * DAY)
    assert not told(second)


def test_events_wait_until_the_takeover_is_over():
    """What is fed during a takeover is folded after it: first everything is told again, then what the events end."""
    second, before = taken_over()
    closing = event("ticket", NOON + 3 * DAY, "a-1", action="closed", ticket_id="T-1")
    steps = second.advance(START + 5 * DAY, ALL_IDLE)
    next(steps)
    second.feed(1, [record(MANY, closing)])
    for _ in steps:
        pass
    again = told(second)
    assert names(again[: len(before)]) == names(before)
    assert {(a.account_id, a.rule, a.phase) for a in again[len(before) :]} == {
        ("a-1", "urgent_ticket_ageing", Phase.RESOLVED),
        ("a-1", "complaint", Phase.RESOLVED),
    }


def test_nobody_is_told_at_a_tick_that_has_not_evaluated_it():
    """A worker died after a tick, when one of two rows was written: of the other, no score stands at that tick before it has run again."""
    first, second = partition(), partition()
    first.feed(1, [record(n, event("ticket", NOON - HOUR, who, **COMPLAINS)) for n, who in enumerate("xy")])
    settle(first, NOON - 1)
    before, committed = [row for block in first.row_blocks() for row in block], first.positions()
    settle(first, NOON + 1)
    written = [row for block in first.row_blocks() for row in block if row[0] == b"x"]
    assert len(written) == 1
    second.restore(before + written)
    for source, (_, metadata) in committed.items():
        second.resume(source, metadata)
    second.takeover()

    settle(second, NOON - 1)
    scores = [json.loads(value) for block in second.score_blocks() for key, value in block if key == b"y"]
    assert [score["as_of"] for score in scores] == [iso(NOON - 6 * HOUR)]  # the last tick of the commit


def test_a_hold_ends_at_its_tick():
    """A band that was on hold when its account was taken over changes at the tick when the hold is over, be that no full hour."""
    minutes = 60_000
    at = NOON + 17 * minutes
    events = [
        event("account", START - 100 * DAY, action="created", seats=10),
        *[event("usage", START - day * DAY, quantity=5) for day in range(60, 15, -1)],
        event("survey", START - 30 * DAY, kind="nps", score=10),
        event("survey", at, kind="nps", score=0),
        event("survey", at + 1, kind="csat", score=1),
        *[
            event("ticket", at + n, action="opened", ticket_id=f"T-{n}", priority="urgent", complaint=True)
            for n in range(6)
        ],
    ]
    first, second = (Partition(0, context(tick=20 * minutes)) for _ in range(2))
    feed(first, sorted(events, key=lambda told: told["ts"]))
    settle(first, START + DAY + 1)  # behind the last full hour, which would find it anyway
    due = int(first.store.hot["due"][0])
    assert due == START + DAY + 20 * minutes
    positions = first.positions()
    second.restore([row for block in first.row_blocks() for row in block])
    for source, (_, metadata) in positions.items():
        second.resume(source, metadata)
    second.takeover()
    settle(second, due - 1)
    assert BANDS[second.store.hot["band"][0]] == "amber"
    settle(second, due + 1)
    assert BANDS[second.store.hot["band"][0]] == "red"
    assert second.store.hot["band_since"][0] == due
