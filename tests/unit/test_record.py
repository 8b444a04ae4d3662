"""What a score record tells beside the score to rank accounts: MRR at risk, deadline and urgency."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec import json

from scoring.facts import Facts
from scoring.record import ScoreRecord, decode_score
from scoring.times import DAY, HOUR, iso
from streams.context import make_context
from streams.pipeline import Partition
from tests.property.feeds import START, event, settle
from tests.stories import hand_over, small_model


def lived(*events: dict[str, Any], now: int = START + DAY) -> Partition:
    partition = Partition(0, make_context(small_model({}), tick_ms=DAY, grace_ms=0))
    hand_over(partition, events)
    settle(partition, now + HOUR)
    return partition


def told(*events: dict[str, Any], now: int = START + DAY) -> ScoreRecord:
    """The record of an account as of a tick of a day."""
    partition = lived(*events, now=now)
    store, recorder, rows = partition.store, partition.context.recorder, np.array([0])
    facts = Facts(store, rows, int(store.hot["tick"][0]))
    [(_, value)] = recorder.records(store, rows, rows, facts, recorder.scorer.evaluate(facts))
    record = decode_score(value)
    assert record.as_of == iso(now)
    return record


def account(**fields: Any) -> dict[str, Any]:
    return event("account", START + HOUR, action="created", **fields)


def score(points: float) -> dict[str, Any]:
    return event("milestone", START + HOUR, kind="goal_progress", value=points)


@pytest.mark.parametrize(
    ("mrr", "currency", "points", "at_risk"),
    [
        (100, "EUR", 35, 6_500),
        (100, "EUR", 0, 10_000),
        (100, "EUR", 100, 0),
        (0, "EUR", 35, 0),
        (0.99, "EUR", 35, 64),  # 64.35 cents: rounded down
        (1_000, "JPY", 35, 650),
        (1.5, "KWD", 35, 975),
    ],
)
def test_mrr_at_risk(mrr, currency, points, at_risk):
    """MRR at risk is the share of the MRR that the score lacks to 100, in minor units, rounded down, and says that it is no probability."""
    record = told(account(mrr=mrr, currency=currency), score(points))
    assert (record.mrr_at_risk, record.score) == (at_risk, points)
    assert record.mrr_at_risk_basis == "uncalibrated: mrr * (1 - score / 100)"


def test_no_mrr_at_risk():
    """Without a score or without an MRR nothing is at risk that one could name."""
    for record in (told(account(mrr=100)), told(account(), score(35))):
        assert record.mrr_at_risk is record.mrr_at_risk_basis is None
    assert told(account(mrr=100)).mrr == 10_000


@pytest.mark.parametrize(
    ("days", "notice", "urgency"),
    [
        (200, None, 1.0),
        (181, None, 1.0),  # as of the first day: 180 days ahead
        (180, None, 1.005),
        (91, None, 1.5),
        (2, None, 1.994),
        (200, 30, 1.061),
        (31, 30, 2.0),  # the deadline itself
        (20, 30, 2.0),
        (2, 30, 2.0),
        (200, 1_000_000, 2.0),  # before 1970
    ],
)
def test_urgency(days, notice, urgency):
    """Urgency rises evenly from 1, half a year before the deadline, to 2 at it, and stays there until the renewal."""
    renewal = START + days * DAY
    record = told(
        account(renewal_date=iso(renewal)[:10], **({} if notice is None else {"notice_days": notice}))
    )
    assert record.urgency == urgency
    assert record.deadline == iso(max(renewal - (notice or 0) * DAY, 0))


def test_a_renewal_that_is_past():
    """From the day of a renewal that nobody updated neither deadline nor urgency is told; a new date brings both back."""
    first = account(renewal_date=iso(START + 10 * DAY)[:10], notice_days=5)
    assert told(first, now=START + 9 * DAY).urgency == 2
    for days in (10, 11, 400):
        record = told(first, now=START + days * DAY)
        assert record.deadline is record.urgency is None
        assert record.attributes["renewal_date"] == iso(START + 10 * DAY)[:10]
    again = event("account", START + 20 * DAY, action="updated", renewal_date=iso(START + 380 * DAY)[:10])
    assert told(first, again, now=START + 195 * DAY).urgency == 1
    assert told(first, again, now=START + 285 * DAY).urgency == 1.5


@pytest.mark.parametrize("renewal", [None, "soon", "2024-13-01"])
def test_no_renewal(renewal):
    """Without a date of renewal nothing is told of one."""
    record = told(account(notice_days=5, **({} if renewal is None else {"renewal_date": renewal})))
    assert record.deadline is record.urgency is None


def test_an_ended_account():
    """Of an account that has ended nothing is told to rank it by."""
    known = account(renewal_date=iso(START + 100 * DAY)[:10], mrr=100)
    assert told(known, score(35)).urgency
    ended = lived(known, score(35), event("churn", START + 2 * HOUR))
    [record] = [json.decode(value) for block in ended.score_blocks() for _, value in block]
    assert (record["ended"], record["mrr"], record["attributes"]["mrr"]) == (True, 10_000, 10_000)
    assert not {"deadline", "urgency", "mrr_at_risk", "mrr_at_risk_basis"} & record.keys()
