"""What costs an account most points, in words."""

from __future__ import annotations

from typing import Any

import pytest

from alerts.costs import costs
from alerts.model import Evidence, Phase, decode_alert
from scoring.layout import DIMENSIONS, MISSING
from scoring.model import default_model
from scoring.times import DAY, HOUR
from streams.context import make_context
from streams.pipeline import Partition
from tests.property.feeds import START, event, settle
from tests.stories import hand_over

WEIGHTS = [1] * len(DIMENSIONS)
NOON = START + 12 * HOUR


def lived(*events: dict[str, Any], days: int = 1) -> Partition:
    """A partition whose only account was told these events."""
    partition = Partition(0, make_context(default_model(), tick_ms=HOUR, grace_ms=0))
    hand_over(partition, events)
    settle(partition, START + days * DAY)
    return partition


def told(subs: dict[str, int], *events: dict[str, Any]) -> list[str]:
    """What is said of dimensions at these points."""
    store = lived(*(events or [event("account", NOON, action="created")])).store
    store.hot["last_sub"][0] = [subs.get(name, MISSING) for name in DIMENSIONS]
    return [cost.text for cost in costs(store, 0, WEIGHTS)]


def ticket(hour: int, action: str, number: str, **fields: Any) -> dict[str, Any]:
    return event("ticket", START + hour * HOUR, action=action, ticket_id=number, **fields)


def test_worst_first():
    """The three dimensions that cost most by points and weight are told, worst first, points cut; what costs nothing is not."""
    subs = {"support": 12_999, "community": 50_000, "goals": 0, "sentiment": 60_000, "csm_activity": 100_000}
    assert told(subs) == [
        "goals down to 0 of 100",
        "support down to 12 of 100",
        "community down to 50 of 100",
    ]
    assert told({"csm_activity": 100_000}) == []
    store = lived(event("account", NOON, action="created")).store
    store.hot["last_sub"][0] = [
        {"support": 90_000, "community": 10_000}.get(name, MISSING) for name in DIMENSIONS
    ]
    weights = [10 * (name == "support") + (name == "community") for name in DIMENSIONS]
    assert [cost.text[:7] for cost in costs(store, 0, weights)] == ["support", "communi"]


def test_tickets():
    """Tickets are named by their id with what happened to them, newest first, and by what makes them worse than others."""
    events = [
        ticket(2, "opened", "T-9001", priority="urgent"), ticket(3, "opened", "T 9002"),
        ticket(4, "updated", "T 9002", complaint=True), ticket(5, "opened", "T-3"),
    ]  # fmt: skip
    assert told({"support": 12_000}, *events) == [
        "support down to 12 of 100: ticket T-3 opened, ticket T 9002 updated (complaint), ticket T 9002 opened (complaint)"
    ]
    assert told({"support": 12_000}, events[0]) == [
        "support down to 12 of 100: ticket T-9001 opened (urgent)"
    ]


@pytest.mark.parametrize(
    ("dimension", "events", "words"),
    [
        ("product_usage", [event("usage", NOON)], "last used on 2024-10-04"),
        ("product_usage", [event("usage", NOON, quantity=0)], ""),
        ("invoice_history", [event("invoice", NOON, action="payment_failed", invoice_id="I_1")], "invoice I_1 payment failed"),
        ("sentiment", [event("survey", NOON, kind="nps", score=3)], "NPS answer 3"),
        ("contract_growth", [event("account", NOON, action="plan_changed", mrr=1)], "account plan changed"),
        ("csm_activity", [event("engagement", NOON, channel="email")], "outbound email"),
        (
            "executive_relationships",
            [event("engagement", NOON, channel="call", role="champion", contact_id="bo")],
            "two-way call (champion)",
        ),
        ("self_sufficiency", [event("engagement", NOON, channel="knowledge_base")], "inbound knowledge base"),
        ("goals", [event("milestone", NOON, kind="goal_progress", value=30)], "goal progress (now 30 %)"),
        ("onboarding", [event("milestone", NOON, kind="feature_declined")], "feature declined"),
    ],
)  # fmt: skip
def test_words(dimension, events, words):
    """Each kind of event is told in words that name what it was."""
    [said] = told({dimension: 0}, *events)
    assert said == f"{dimension.replace('_', ' ')} down to 0 of 100" + (f": {words}" if words else "")


def test_only_what_fires():
    """An alert that fires tells what costs most, with the ids of the events behind it; one that is over does not."""
    events = [event("account", START + 9 * HOUR, action="created", tier="high_touch")]
    events += [
        ticket(970, "opened", "T-1", priority="urgent"),
        ticket(1030, "closed", "T-1"),
    ]  # past its onboarding
    alerts = [decode_alert(value) for _, value in lived(*events, days=44).drain_alerts()]
    fired, over = [a for a in alerts if a.rule == "urgent_ticket_ageing"]
    assert (fired.phase, over.phase, over.drivers) == (Phase.FIRING, Phase.RESOLVED, [])
    assert [(d.text.partition(":")[2], d.events) for d in fired.drivers] == [
        (" ticket T-1 opened (urgent)", [events[1]["event_id"]])
    ]


def test_after_a_restart():
    """What is told of use outlasts a restart, only the id of its newest event does not; ids are those of the events named."""
    tickets = [ticket(2, "opened", "T-1", complaint=True), ticket(3, "closed", "T-1")]
    store = lived(event("usage", NOON), *tickets).store
    store.hot["last_sub"][0] = [{"product_usage": 0, "support": 0}.get(name, MISSING) for name in DIMENSIONS]
    used = costs(store, 0, WEIGHTS)[0]
    store.last_usage[0] = None
    assert costs(store, 0, WEIGHTS) == [
        Evidence(used.text),
        Evidence(
            "support down to 0 of 100: ticket T-1 closed (complaint), ticket T-1 opened (complaint)",
            [e["event_id"] for e in reversed(tickets)],
        ),
    ]
    assert used.events == [event("usage", NOON)["event_id"]]
