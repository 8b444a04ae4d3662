"""From facts to a score: tiers, enabled dimensions, coverage, and each signal's own rule about evidence."""

import numpy as np
import pytest

from scoring.evaluate import Scorer, named
from scoring.facts import Facts
from scoring.layout import TIERS
from scoring.model import default_model
from scoring.times import DAY, HOUR
from tests.property.feeds import START, event, tell

SCORER = Scorer(default_model())
MATURE = event("account", START - 100 * DAY, action="created")


def look(*events, after=HOUR):
    """The evaluation of the one account after these events."""
    partition = tell(sorted(events, key=lambda e: e["ts"]), START + after + DAY)
    return SCORER.evaluate(Facts(partition.store, np.array([0]), START + after))


@pytest.mark.parametrize(
    ("attributes", "tier"),
    [({}, "low_touch"), ({"mrr": 4999.99}, "low_touch"), ({"mrr": 5000}, "high_touch"), ({"seats": 250}, "high_touch"),
     ({"mrr": 9000, "tier": "tech_touch"}, "tech_touch")],
)  # fmt: skip
def test_tier(attributes, tier):
    """The tier is what was told, else the model's first rule that holds, else its default."""
    assert TIERS[int(look(event("account", START, action="created", **attributes)).tier[0])] == tier


def test_onboarding_only_at_first():
    """In the first 30 days onboarding alone is scored, afterwards everything but onboarding."""
    events = [event("account", START, action="signup", mrr=100), event("usage", START, value_event=True)]
    events += [event("survey", START, kind="nps", score=9)]
    assert set(named(look(*events, after=29 * DAY).sub[:, 0])) == {"onboarding"}
    later = set(named(look(*events, after=30 * DAY).sub[:, 0]))
    assert "onboarding" not in later
    assert {"sentiment", "contract_growth"} <= later


def test_coverage():
    """Coverage is the weight of what was seen over the weight of what is enabled for the tier, in thousandths."""
    only_nps = look(MATURE, event("survey", START, kind="nps", score=10))
    assert named(only_nps.sub[:, 0]).keys() == {"sentiment"}
    assert int(only_nps.coverage[0]) == 1000 * 12 // (30 + 12 + 12 + 12 + 10 + 10 + 6 + 4 + 2 + 2 + 4)
    assert int(only_nps.score[0]) == int(only_nps.sub[3, 0])
    nothing = look(MATURE)
    assert (int(nothing.score[0]), int(nothing.coverage[0])) == (-1, 0)


@pytest.mark.parametrize(
    ("hours", "expected"),
    [(0, 80_000), (24, 60_000), (48, 45_000), (72, 30_000), (120, 15_000), (168, 0), (500, 0)],
)
def test_urgent_age(hours, expected):
    """An open urgent ticket costs 80, 60, 30 and 0 points at 0, 24, 72 and 168 hours, in straight lines between them."""
    opened = event("ticket", START, action="opened", ticket_id="T", priority="urgent")
    assert int(look(MATURE, opened, after=hours * HOUR).signals["urgent_age"][0]) == expected


@pytest.mark.parametrize(
    ("tickets", "seats", "expected"),
    [(0, 100, 60_000), (2, 100, 100_000), (6, 100, 75_000), (12, 100, 45_000), (1, None, 81_250)],
)
def test_ticket_volume_is_a_u_curve(tickets, seats, expected):
    """No ticket in 90 days is not the best sign, a few are, many are not; without seats the model's default counts."""
    old = event("ticket", START - 95 * DAY, action="opened", ticket_id="old")
    told = [event("ticket", START, action="opened", ticket_id=str(n)) for n in range(tickets)]
    size = {} if seats is None else {"seats": seats}
    e = look(MATURE, event("account", START, action="updated", **size), old, *told)
    assert int(e.signals["ticket_volume"][0]) == expected


def test_missing_is_not_zero():
    """Signals without evidence are missing: no seats, no baseline, no answer, no month to compare with."""
    e = look(MATURE, event("usage", START, user_id="u1"))
    missing = {name for name, value in e.signals.items() if value[0] == -1}
    assert {
        "usage_trend",
        "seat_ratio",
        "adoption_breadth",
        "nps",
        "csat",
        "ces",
        "mrr_growth",
        "overdue",
        "urgent_age",
    } <= missing
    assert int(e.signals["activity"][0]) == 8000
    assert int(e.signals["error_rate"][0]) == 100_000


def test_sentiment_fades_to_neutral():
    """An answer loses half of its distance to 50 every half-life."""
    answer = event("survey", START, kind="nps", score=10)
    fresh, old = (int(look(MATURE, answer, after=days * DAY).signals["nps"][0]) for days in (0, 90))
    assert (fresh, old) == (100_000, 75_000)
