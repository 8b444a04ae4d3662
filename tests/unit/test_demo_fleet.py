"""The demo's fleet: the same for the same seed, each planted story told by its alerts, and little noise around them."""

from collections import Counter
from functools import cache
from pathlib import Path

import msgspec
import pytest

from alerts.model import Kind, Phase, decode_alert
from alerts.render import Notification, notification
from scoring.events import SOURCES
from scoring.model import default_model
from scoring.times import DAY, HOUR, iso, parse
from streams.cli.produce import route
from streams.context import make_context
from streams.demo.fleet import Fleet, account_id, generate, profile
from streams.demo.judge import judge, judge_outage
from streams.demo.life.account import stamp
from streams.demo.picture import Stale
from streams.demo.stories import NAMES, OUTAGE, SHORTEST_DAYS, STORIES
from streams.replay import FileLine, Replay, classify

END = parse("2026-03-15T12:00:00Z")
ACCOUNTS, DAYS = 40, 130
WELL = 0.75


@cache
def replayed(
    seed: int = 7, without: frozenset[str] = frozenset(), liveness_hours: int = 36
) -> tuple[Fleet, Replay, list[Notification]]:
    """A fleet through the pipeline of the worker, on a grid of 6 hours: what was told, in order."""
    alerts: list[Notification] = []
    model = default_model().model_copy(update={"liveness_hours": liveness_hours})
    context = make_context(model, tick_ms=6 * HOUR, grace_ms=500)
    run = Replay(
        context, END, lambda p: alerts.extend(notification(decode_alert(v)) for _, v in p.drain_alerts())
    )
    fleet = Fleet(END, seed, ACCOUNTS, DAYS, without)
    run.run((FileLine("fleet", n, event.line) for n, event in enumerate(generate(fleet), 1)), END)
    return fleet, run, alerts


def firing(alerts: list[Notification]) -> list[Notification]:
    return [a for a in alerts if a.phase is Phase.FIRING and not a.revision]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    """A fleet is a function of its seed and its end."""
    fleet = Fleet(END, 7, 8, SHORTEST_DAYS)
    assert generate(fleet) == generate(fleet)
    assert generate(fleet) != generate(Fleet(END, 8, 8, SHORTEST_DAYS))


def test_events_lie_in_order_within_the_fleets_time_and_none_is_rejected() -> None:
    """Every line is a valid event, unique by source and id, applied once, sent in time order.

    Only the CRM tells of the past: since when an account is a customer.
    """
    fleet, run, _ = replayed()
    events = generate(fleet)
    times = [event.at for event in events]
    assert times == sorted(times)
    assert fleet.start <= times[0] <= times[-1] <= END
    heads = [msgspec.json.decode(event.line) for event in events]
    told_late = [h for h, at in zip(heads, times, strict=True) if parse(h["ts"]) != at]
    assert {(h["type"], h["action"]) for h in told_late} == {("account", "created")}
    assert len({(classify(e.line)[1], h["event_id"]) for e, h in zip(events, heads, strict=True)}) == len(
        events
    )
    assert not run.dead
    assert {fate for _, fate in run.partition.context.totals.events} <= {"applied", "duplicate"}


def test_times_are_written_as_the_engine_writes_them() -> None:
    """The quick formatter of the fleet gives the same text as `scoring.times.iso`."""
    for ms in (0, 1, 999, DAY - 1, DAY, END, END + 123, END + 59_999):
        assert stamp(ms) == iso(ms)


def test_every_event_goes_where_a_replay_takes_it_from() -> None:
    """Kafka and files agree on the source of every event type of the fleet."""
    events = generate(Fleet(END, 7, ACCOUNTS, DAYS))
    assert all(route(event.line)[0] == SOURCES[classify(event.line)[1]] for event in events)


@pytest.mark.parametrize("seed", [7, 1])
def test_each_story_is_told_by_its_alerts_and_nothing_fires_where_nothing_may(seed: int) -> None:
    """Every rule that a story names fires for its account, whatever the seed; the quiet account stays quiet."""
    fleet, _, alerts = replayed(seed)
    for told in judge(fleet, alerts):
        print(seed, told.story.name, [(a.at[:10], a.rule) for a in told.alerts], "missing", told.missing)
        assert told.as_expected, told.story.name


@pytest.mark.parametrize("seed", [7, 1])
def test_without_its_story_an_account_raises_none_of_the_alerts(seed: int) -> None:
    """Each alert comes from its story: the same accounts without it stay well."""
    _, _, alerts = replayed(seed, frozenset(NAMES))
    unwanted = {
        (story.name, a.rule)
        for index, story in enumerate(STORIES)
        for a in firing(alerts)
        if a.account_id == account_id(index) and a.rule in story.rules
    }
    assert unwanted == set()


@pytest.mark.parametrize("name", NAMES)
def test_leaving_a_story_out_changes_no_other_account(name: str) -> None:
    """The events of the other accounts stay byte for byte the same; of the outage, all that was sent."""
    whole, less = (Fleet(END, 7, 8, SHORTEST_DAYS, without) for without in (frozenset(), frozenset({name})))
    sent, without = ([event.line for event in generate(fleet)] for fleet in (whole, less))
    if name == OUTAGE.name:
        strip = [msgspec.json.decode(line) | {"event_id": ""} for line in sent]
        rest = [msgspec.json.decode(line) | {"event_id": ""} for line in without]
        assert len(strip) < len(rest)
        assert all(event in rest for event in strip[-300:])
        return
    mine = f'"account_id":"{account_id([story.name for story in STORIES].index(name))}"'.encode()
    assert [line for line in sent if mine not in line] == [line for line in without if mine not in line]


def test_the_outage_is_held_against_nobody_because_the_feed_is_known_to_be_dead() -> None:
    """No account falls silent over a dead feed; were the feed not watched, those who work every day would."""
    fleet, _, alerts = replayed()
    begin, end = OUTAGE.window(END)
    events = generate(fleet)
    usage = [e.at for e in events if b'"type":"usage"' in e.line]
    assert not any(begin <= at < end for at in usage)
    seen = [Stale("usage", begin, end)]
    told = judge_outage(fleet, events, alerts, seen)
    blind = judge_outage(fleet, events, replayed(7, frozenset(), 500)[2], seen)
    assert told is not None
    assert blind is not None
    print(f"blamed {told.blamed}; with every feed taken for live {len(blind.blamed)} of {ACCOUNTS}")
    assert told.as_expected
    assert len(blind.blamed) > ACCOUNTS / 8


def test_a_healthy_fleet_raises_few_alerts() -> None:
    """Accounts that are well and have no story: less than one risk alert for each four of them in 130 days."""
    fleet, run, alerts = replayed()
    well = {
        account_id(i) for i in range(len(STORIES), ACCOUNTS) if profile(fleet, i).health > WELL
    }  # fmt: skip
    noise = [a for a in firing(alerts) if a.account_id in well and a.kind is Kind.RISK]
    print(
        f"{len(noise)} alerts of {len(well)} accounts: {Counter(a.rule for a in noise)}; {run.partition.bands()}"
    )
    assert len(well) > ACCOUNTS / 2
    assert len(noise) <= len(well) / 4


def test_the_whole_fleet_has_every_event_type_at_a_believable_volume() -> None:
    """300 accounts over 180 days are 130 to 165 thousand events, fewer at weekends."""
    events = generate(Fleet(END))
    heads = [msgspec.json.decode(event.line) for event in events]
    kinds = Counter(head["type"] for head in heads)
    print(kinds)
    weekdays = Counter(
        (e.at // DAY + 3) % 7 for e, h in zip(events, heads, strict=True) if h["type"] == "usage"
    )
    assert kinds.keys() == {
        "usage", "ticket", "invoice", "survey", "account", "engagement", "milestone", "override", "cost",
        "renewal", "churn",
    }  # fmt: skip
    channels = {h["channel"] for h in heads if h["type"] == "engagement"}
    assert channels == {"meeting", "email", "call", "marketing", "community", "knowledge_base", "training"}
    assert 130_000 < len(events) < 165_000
    assert weekdays[6] < weekdays[1] / 4


def test_the_page_about_the_demo_names_each_story_and_its_alerts() -> None:
    """docs/demo.md lists the stories with account, title and rules as they are planted."""
    page = (Path(__file__).parents[2] / "docs/demo.md").read_text("utf-8")
    for story in STORIES:
        row = f"| {story.name} | {story.account_name} | {story.title} | {', '.join(story.rules)} |"
        assert row.replace("|  |", "| |") in page, row
    assert f"| {OUTAGE.name} | everybody | {OUTAGE.title} |" in page
