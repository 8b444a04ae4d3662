"""Outcomes decide whether there is an account to score, never how it scores."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.feeds import START, context, event, tell
from tests.property.strategies import ACCOUNTS, END, living

OUTCOMES = [
    ("churn", {"scope": "subscription", "reason_class": "switch", "mrr": 500}),
    ("renewal", {"scope": "account", "mrr": 900}),
    ("renewal", {"scope": "subscription"}),
    ("account", {"action": "subscription_ended", "scope": "subscription"}),
]


@settings(max_examples=15, deadline=None)
@given(
    events=st.lists(living, min_size=3, max_size=30),
    outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=4),
)
def test_outcomes_move_no_score(events, outcomes):
    """Renewals and the loss of single subscriptions leave score, coverage and band of every tick of an account as they were."""
    started = [event("account", START, who, action="created") for who in ACCOUNTS]
    told = [
        event(kind, START + (n + 1) * 86_400_000, who, **f)
        for n, (kind, f) in enumerate(outcomes)
        for who in ACCOUNTS
    ]
    lines: list[list] = [[], []]
    for log, history in zip(lines, (started + events, started + events + told), strict=True):
        tell(sorted(history, key=lambda e: e["ts"]), END, context(tick_log=log.extend))
    assert lines[0] == lines[1]
