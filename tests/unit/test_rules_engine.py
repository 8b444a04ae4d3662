"""Rules over time in one partition: what is remembered of them, and that a takeover loses none of it."""

from __future__ import annotations

import numpy as np

from alerts.engine import FACTS
from alerts.model import Alert, Phase, Reason, decode_alert
from scoring.times import DAY, HOUR
from streams.context import make_context
from streams.pipeline import Partition
from tests.property.feeds import START, event, record, settle
from tests.stories import hand_over, said, small_model, story

MEETING = {"channel": "meeting", "contact_id": "ana", "role": "champion"}
NOON = START + 12 * HOUR


def partition(**rules: dict) -> Partition:
    return Partition(0, make_context(small_model(rules), tick_ms=6 * HOUR, grace_ms=0))


def told(p: Partition) -> list[Alert]:
    return [decode_alert(value) for _, value in p.drain_alerts()]


def test_a_fact_is_told_once_per_item():
    """A contact who leaves again while the first time is still remembered is not told again under the same alert."""
    story({"sponsor_departed": {}}, """
        engagement  a.L.b.L.b.L.
        alert       ..F.R.......
    """, engagement={
        "a": MEETING, "L": {"channel": "email", "contact_id": "ana", "departed": True},
        "b": {"channel": "email", "contact_id": "ana", "departed": False},
    })  # fmt: skip


def test_over_is_forgotten():
    """A fact that is over leaves nothing behind: neither in the account's tail nor in the column that says where to look."""
    p = partition(churn_notice={})
    events = [
        event("account", NOON, action="churn_notice"),
        event("account", NOON + DAY, action="updated", auto_renew=True),
    ]
    hand_over(p, events)
    settle(p, START + DAY)
    assert p.store.hot["alerts"][0] == FACTS
    settle(p, START + 3 * DAY)
    assert [a.phase for a in told(p)] == [Phase.FIRING, Phase.RESOLVED]
    assert p.store.tails[0].facts == {}
    assert p.store.hot["alerts"][0] == 0


def test_takeover():
    """Whoever takes over the rows tells again what fires, under the same id and time, and resolves it when it is over."""
    rules = {
        "urgent_ticket_ageing": {"hours_per_tier": {"high_touch": 24, "low_touch": 24, "tech_touch": 24}},
        "complaint": {},
    }
    ticket = {"action": "opened", "ticket_id": "T-1", "priority": "urgent", "complaint": True}
    first, second = partition(**rules), partition(**rules)
    first.feed(1, [record(0, event("ticket", NOON, **ticket))])
    settle(first, START + 3 * DAY)
    before = told(first)
    rows = [row for block in first.row_blocks() for row in block]
    second.restore(rows)
    second.store.hot["alerts"][0] = np.uint64(0)  # written by a version that gave the bits another meaning
    for source, (_, metadata) in first.positions().items():
        second.resume(source, metadata)
    second.takeover()
    settle(second, START + 3 * DAY)
    again = told(second)
    assert {a.reason for a in again} == {Reason.TAKEOVER}
    assert {(a.id, a.phase, a.revision, a.at) for a in before} == {
        (a.id, a.phase, a.revision, a.at) for a in again
    }
    assert [said(again)] == [["ticket T-1 is urgent and open for 54 hours"]]  # as of the last tick
    second.feed(1, [record(1, event("ticket", NOON + 4 * DAY, action="closed", ticket_id="T-1"))])
    settle(second, START + 5 * DAY)
    assert {(a.rule, a.phase) for a in told(second)} == {
        ("urgent_ticket_ageing", Phase.RESOLVED),
        ("complaint", Phase.RESOLVED),
    }
