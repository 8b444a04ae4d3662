"""The endless load: the rate that was asked for, and the fleet's own everyday life behind it."""

import json
from collections import defaultdict

import pytest

from scoring.times import DAY, parse
from streams.demo.fleet import Fleet, generate
from streams.demo.load import EverydayUsage
from streams.demo.stories import SHORTEST_DAYS

NOW = parse("2026-03-18T15:00:00Z")
RATE = 2.0


@pytest.fixture(scope="module")
def history():
    return generate(Fleet(NOW, accounts=12, days=SHORTEST_DAYS))


def quantities(events) -> dict[str, float]:
    out = defaultdict(float)
    for event in events:
        out[event["account_id"]] += event["quantity"]
    return out


def test_rate(history):
    """As many events fall due in a time as the rate says, none of them before its time, each under an id of its own."""
    usage = EverydayUsage(history, RATE)
    numbers = range(usage.number(NOW), usage.number(NOW + 60_000))
    events = [json.loads(usage.event(number)[1]) for number in numbers]
    assert len(events) == 60 * RATE
    assert all(NOW < parse(event["ts"]) <= NOW + 60_000 for event in events)
    assert len({event["event_id"] for event in events}) == len(events)


def test_same_after_restart(history):
    """A load that is started again continues with the same events: what was sent twice is a duplicate by id and content."""
    first, second = EverydayUsage(history, RATE), EverydayUsage(history, RATE)
    number = first.number(NOW)
    assert [first.event(n) for n in range(number, number + 50)] == [
        second.event(n) for n in range(number, number + 50)
    ]


@pytest.mark.parametrize("rate", [0.01, 2.0, 5.3])
def test_a_day_is_a_day(history, rate):
    """A day of the load uses, per account, exactly what the same weekday of the past week used, however fast it is told."""
    usage = EverydayUsage(history, rate)
    today = NOW // DAY * DAY + DAY
    live = (
        json.loads(usage.event(n)[1]) for n in range(usage.number(today - 1), usage.number(today + DAY - 1))
    )
    past = (json.loads(line) for at, line in history if today - 7 * DAY <= at < today - 6 * DAY)
    told, wanted = (
        quantities(live),
        quantities(e | {"quantity": e.get("quantity", 1.0)} for e in past if e["type"] == "usage"),
    )
    assert told.keys() == wanted.keys()
    assert told == pytest.approx(wanted)


def test_history_without_usage():
    """A past in which nothing was used is refused."""
    with pytest.raises(ValueError, match="nothing was used"):
        EverydayUsage([(NOW, b'{"type": "ticket"}')], RATE)
