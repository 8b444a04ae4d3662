"""The demo's fleet: the same for the same seed, each planted story told by its alert and by nothing else."""

from collections import Counter
from functools import cache

import msgspec
import pytest

from alerts.model import Alert, decode_alert
from scoring.model import default_model
from scoring.times import DAY, iso, parse
from streams.context import make_context
from streams.demo.fleet import Fleet, account_id, generate
from streams.demo.stories import SHORTEST_DAYS, STORIES
from streams.replay import FileLine, Replay

END = parse("2026-03-15T12:00:00Z")
PLANTED = {account_id(index): story for index, story in enumerate(STORIES)}


@cache
def replayed(
    seed: int = 7, accounts: int = 40, days: int = 130, without: frozenset[str] = frozenset()
) -> tuple[Replay, list[Alert]]:
    alerts: list[Alert] = []
    context = make_context(default_model(), tick_ms=DAY, grace_ms=500)
    run = Replay(context, END, lambda p: alerts.extend(decode_alert(v) for _, v in p.drain_alerts()))
    fleet = Fleet(END, seed, accounts, days, without)
    run.run((FileLine("fleet", n, line) for n, (_, line) in enumerate(generate(fleet), 1)), END)
    return run, alerts


def firing(alerts: list[Alert]) -> set[tuple[str, str]]:
    return {(a.account_id, a.rule) for a in alerts if a.phase == "firing"}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    """A fleet is a function of its seed and its end."""
    fleet = Fleet(END, 7, 6, SHORTEST_DAYS)
    assert generate(fleet) == generate(fleet)
    assert generate(fleet) != generate(Fleet(END, 8, 6, SHORTEST_DAYS))


def test_events_lie_in_order_within_the_fleets_time_and_none_is_rejected() -> None:
    """Every line is a valid event, unique by source and id, applied once, in time order."""
    fleet = Fleet(END, 7, 40, 130)
    events = generate(fleet)
    times = [at for at, _ in events]
    assert times == sorted(times)
    assert fleet.start <= times[0] <= times[-1] <= END
    heads = [msgspec.json.decode(line) for _, line in events]
    assert all(parse(head["ts"]) == at for head, at in zip(heads, times, strict=True))
    assert len({(head["type"], head["event_id"]) for head in heads}) == len(events)
    run, _ = replayed()
    assert not run.dead
    assert {fate for _, fate in run.partition.context.totals.events} <= {"applied", "duplicate"}


@pytest.mark.parametrize("seed", [7, 1, 2])
def test_each_story_is_told_by_its_alert_and_the_background_is_quiet(seed: int) -> None:
    """What fires is exactly what was planted, whatever the seed."""
    expected = {(who, story.rule) for who, story in PLANTED.items() if story.rule}
    run, alerts = replayed(seed)
    background = {who for who, _ in firing(alerts)} - PLANTED.keys()
    print(f"seed {seed}: {len(background)} of 35 others fired; bands {run.partition.bands()}")
    assert expected <= firing(alerts)
    assert {(who, rule) for who, rule in firing(alerts) if who in PLANTED} == expected
    assert len(background) <= 1


def test_a_fleet_without_stories_raises_no_alert_where_they_were() -> None:
    """Each alert comes from its story: without them the same accounts stay well."""
    _, alerts = replayed(without=frozenset(story.name for story in STORIES))
    assert not {who for who, _ in firing(alerts)} & PLANTED.keys()


def test_leaving_a_story_out_changes_no_other_account() -> None:
    """The events of the other accounts stay byte for byte the same."""
    whole, less = (
        Fleet(END, 7, 8, SHORTEST_DAYS, without) for without in (frozenset(), frozenset({"slow_fade"}))
    )
    mine = f'"account_id":"{account_id(0)}"'.encode()
    others = [[line for _, line in generate(fleet) if mine not in line] for fleet in (whole, less)]
    assert others[0] == others[1]


def test_the_whole_fleet_has_every_event_type_at_a_believable_volume() -> None:
    """300 accounts over 180 days are 100 to 250 thousand events, fewer at weekends."""
    events = generate(Fleet(END))
    kinds = Counter(line.split(b'"type":"')[1].split(b'"')[0].decode() for _, line in events)
    weekdays = Counter((at // DAY + 3) % 7 for at, line in events if b'"type":"usage"' in line)
    assert kinds.keys() == {"usage", "ticket", "invoice", "survey", "account"}
    assert 100_000 < len(events) < 250_000
    assert weekdays[6] < weekdays[1] / 4
    assert iso(events[0][0])[:10] == "2025-09-16"
