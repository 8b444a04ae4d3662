"""The rules about facts, over random histories: told once an item, over once, and never without evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import Phase as Step
from hypothesis import find, given, settings
from hypothesis import strategies as st

from alerts.model import Alert, Kind, Phase, Reason, alert_id, decode_alert
from alerts.rules.catalogue import FACTS
from scoring.times import DAY, HOUR, parse
from streams.context import make_context
from streams.pipeline import Partition
from tests.property.feeds import settle
from tests.property.strategies import END, account, engagement, failing, invoice, leaving, ticket
from tests.stories import hand_over, small_model

RULES: dict[str, Any] = {name: {} for name in FACTS} | {"payment_failure": {"attempts": 2}}
Item = tuple[str, str, int, str]
"""Account, rule, term and item."""

kinds = st.one_of(account, engagement, failing, failing, invoice, leaving, ticket)
histories = st.lists(kinds, min_size=4, max_size=60)
"""Events that make facts known or settle them, of accounts that end and return."""


def told(events: Sequence[Mapping[str, Any]], tick: int = DAY) -> list[Alert]:
    """What the fact rules say of a history and of the month after it, in the order in which they said it."""
    partition = Partition(0, make_context(small_model(RULES), tick_ms=tick, grace_ms=0))
    hand_over(partition, events)
    settle(partition, END + 30 * DAY)
    return [decode_alert(value) for _, value in partition.drain_alerts()]


def by_item(alerts: Iterable[Alert]) -> dict[Item, list[Alert]]:
    items = defaultdict(list)
    for alert in alerts:
        items[alert.account_id, alert.rule, alert.term, alert.episode].append(alert)
    return items


@settings(max_examples=50, deadline=None)
@given(events=histories, tick=st.sampled_from([6 * HOUR, DAY]))
def test_once_per_item_and_term(events, tick):
    """Per item and term a fact fires once, at the time of one of its account's events and with evidence, and is resolved at most once, after it."""
    times = defaultdict(set)
    for event in events:
        times[event["account_id"]].add(parse(event["ts"]))
    for (who, rule, term, item), [fired, *after] in by_item(told(events, tick)).items():
        assert (fired.phase, fired.reason, fired.revision, fired.kind) == (
            Phase.FIRING,
            Reason.FACT,
            0,
            Kind.RISK,
        )
        assert fired.at in times[who]
        assert fired.evidence
        assert all(reason.text for reason in fired.evidence)
        assert fired.id == alert_id(who, rule, term, item)
        assert [(a.phase, a.id) for a in after] in ([], [(Phase.RESOLVED, fired.id)])
        assert all(resolved.at >= fired.at and resolved.at % tick == 0 for resolved in after)


@settings(max_examples=50, deadline=None)
@given(events=histories)
def test_evidence_names_events_of_the_account(events):
    """The events that evidence names were told of that account, and are known by id."""
    ids = defaultdict(set)
    for event in events:
        ids[event["account_id"]].add(event["event_id"])
    for alert in told(events):
        assert {name for reason in alert.evidence for name in reason.events} <= ids[alert.account_id]


@pytest.mark.parametrize("rule", FACTS)
@pytest.mark.parametrize("phase", [Phase.FIRING, Phase.RESOLVED])
def test_every_fact_occurs(rule, phase):
    """The histories of this page are no idle talk: in some of them each rule fires, and is resolved."""
    found = find(
        histories,
        lambda events: any((a.rule, a.phase) == (rule, phase) for a in told(events)),
        settings=settings(
            max_examples=2000, deadline=None, database=None, phases=[Step.generate], derandomize=True
        ),
    )
    assert found
