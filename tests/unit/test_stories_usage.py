"""Stories of the rules about use: silence against the account's own rhythm, few seats used, nearly all used, what else fits."""

from __future__ import annotations

import pytest

from scoring.times import DAY, HOUR
from tests.property.feeds import START
from tests.stories import said, story

SILENCE = {"silence": {"factor": 3, "minimum_gaps": 6, "hold_hours": 24}}
MONDAY = START + 3 * DAY
USED = {"x": {}}
SEATS = {"s": {"action": "created", "seats": 100}}
HEALTHY = {"g": {"kind": "goal_progress", "value": 90}, "a": {"kind": "goal_progress", "value": 60}}


def active(n: int) -> dict:
    return {"active_users": n}


def test_daily_account_falls_silent():
    """A daily account fires three gaps after its last day of use, not before, and resolves with the first use."""
    alerts = story(SILENCE, """
        usage          xxxxxxxxxx.......xxx
        globex/usage   xxxxxxxxxxxxxxxxxxxx
        silence_usage  ............F....R..
    """)  # fmt: skip
    assert said(alerts) == ["no usage since 2024-10-13, 3 days ago; usually every day"]
    assert [a.episode for a in alerts] == ["1", "1"]


def test_one_quiet_day_is_no_silence():
    """Single quiet days of a daily account are not told, and neither is a rhythm of fewer than six gaps."""
    story(SILENCE, """
        usage          xxxxxxxxxx.xxxx.xxxx
        globex/usage   xxxxxxxxxxxxxxxxxxxx
        silence_usage  ....................
    """)  # fmt: skip
    story(SILENCE, """
        usage          xxxxxx..............
        globex/usage   xxxxxxxxxxxxxxxxxxxx
        silence_usage  ....................
    """)  # fmt: skip


def test_weekly_account_is_quiet_on_day_six():
    """A weekly account says nothing on day 6, nor when a week is left out: it fires after three weeks without use."""
    alerts = story(SILENCE, """
        usage          x......|x......|x......|x......|x......|x......|x......|x......|x......|.......|.......|......x
        globex/usage   xxxxxxx|xxxxxxx|xxxxxxx|xxxxxxx|xxxxxxx|xxxxxxx|xxxxxxx|xxxxxxx|xxxxxxx|xxxxxxx|xxxxxxx|xxxxxxx
        silence_usage  .......|.......|.......|.......|.......|.......|.......|.......|.......|.......|.......|F.....R
    """)  # fmt: skip
    assert said(alerts) == ["no usage since 2024-11-29, 21 days ago; usually every 7 days"]


def test_a_weekend_is_no_silence():
    """An account that works Monday to Friday does not fire on Monday; nor after a free Monday and Tuesday; it does on Thursday."""
    story(SILENCE, """
        usage          xxxxx..|xxxxx..|xxxxx..|.......|.
        globex/usage   xxxxxxx|xxxxxxx|xxxxxxx|xxxxxxx|x
        silence_usage  .......|.......|.......|...F...|.
    """, start=MONDAY)  # fmt: skip


@pytest.mark.parametrize(
    ("use", "silence"),
    [
        ("x....", "......F|......."),
        ("xx...", ".......|F......"),
        ("xxx..", ".......|.F....."),
        ("xxxx.", ".......|..F...."),
        ("xxxxx", ".......|...F..."),
    ],
    ids=["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"],
)
def test_six_days_after_a_working_day(use, silence):
    """An account that works Monday to Friday fires six days after its last day of use, whichever day that is."""
    story(SILENCE, f"""
        usage          xxxxx..|xxxxx..|xxxxx..|{use}..|.......
        globex/usage   xxxxxxx|xxxxxxx|xxxxxxx|xxxxxxx|xxxxxxx
        silence_usage  .......|.......|.......|{silence}
    """, start=MONDAY)  # fmt: skip


def test_dead_feed_says_nothing():
    """While nobody's use is told no silence is; after the return everybody has a day to speak."""
    story(SILENCE, """
        usage          xxxxxxxxxx..............
        globex/usage   xxxxxxxxxx........xxxxxx
        silence_usage  ...................F....
    """)  # fmt: skip
    story(SILENCE, """
        usage          xxxxxxxxxx.........xxxxx
        globex/usage   xxxxxxxxxx........xxxxxx
        silence_usage  ........................
    """)  # fmt: skip


def test_silence_outlasts_a_dead_feed():
    """An account that was silent before the feed died is still told of, once, and resolves when it is used again."""
    story(SILENCE, """
        usage          xxxxxxxxxx...........x..
        globex/usage   xxxxxxxxxxxxxxx.....xxxx
        silence_usage  ............F........R..
    """)  # fmt: skip


def test_people_fall_silent():
    """Silence of the people is theirs: what we send does not end it, a visit to the knowledge base does."""
    alerts = story(SILENCE, """
        engagement          kkkkkkkkkkooooooookoo
        silence_engagement  ............F.....R..
        silence_usage       .....................
    """, engagement={"k": {"channel": "knowledge_base"}, "o": {"channel": "email"}})  # fmt: skip
    assert said(alerts) == ["not heard from since 2024-10-13, 3 days ago; usually every day"]


def test_only_the_named_sources():
    """Of silence only the sources are watched that the model names."""
    story({"silence": {"sources": ["engagement"]}}, """
        usage          xxxxxxxxxx.......xxx
        globex/usage   xxxxxxxxxxxxxxxxxxxx
        silence_usage  ....................
    """)  # fmt: skip


def test_few_seats_used():
    """Below a quarter of the seats fires once the account is old enough; it ends five percent above, not at once."""
    alerts = story({"low_adoption": {"percent": 25, "min_age_days": 10}}, """
        account       s...................
        usage         l....l......m....h..
        low_adoption  ..........F......R..
    """, account=SEATS, usage={"l": active(24), "m": active(29), "h": active(30)})  # fmt: skip
    assert said(alerts) == ["about 24 of 100 seats used in five weeks (24 %)"]


def test_enough_seats_used():
    """A quarter of the seats is enough, and without users or seats nothing is told."""
    story({"low_adoption": {"percent": 25, "min_age_days": 3}}, """
        account       s........
        usage         m....m...
        low_adoption  .........
    """, account=SEATS, usage={"m": active(25)})  # fmt: skip
    story({"low_adoption": {"percent": 25, "min_age_days": 3}}, """
        account       c........
        usage         l....l...
        low_adoption  .........
    """, account={"c": {"action": "created"}}, usage={"l": active(1)})  # fmt: skip


def test_few_seats_used_for_a_week():
    """With a hold the seats must be unused for so long: a rise within it is never told."""
    held = {"low_adoption": {"percent": 25, "min_age_days": 1, "hold_hours": 72}}
    story(held, """
        account       s...h..........
        usage         l....l...l.....
        low_adoption  ...............
    """, account=SEATS | {"h": {"action": "updated", "seats": 50}}, usage={"l": active(20)})  # fmt: skip
    story(held, """
        account       s..............
        usage         l....l...l.....
        low_adoption  ....F..........
    """, account=SEATS, usage={"l": active(20)})  # fmt: skip


def test_seats_run_out():
    """A healthy account fires at nine in ten seats; an open complaint, an overdue invoice or amber end it."""
    alerts = story({"upsell": {"percent": 90}}, """
        milestone  g................a..
        account    s...................
        usage      l..h................
        ticket     ......c..d..........
        invoice    .i............p.....
        upsell     ...F..R..F..R.F..R..
    """, milestone=HEALTHY, account=SEATS, usage={"l": active(89), "h": active(90)},
        ticket={"c": {"action": "opened", "ticket_id": "T-1", "complaint": True}, "d": {"action": "closed", "ticket_id": "T-1"}},
        invoice={"i": {"action": "issued", "invoice_id": "I-1", "due_at": "2024-10-16T00:00:00Z"}, "p": {"action": "paid", "invoice_id": "I-1"}},
    )  # fmt: skip
    assert said(alerts) == ["about 90 of 100 seats used in five weeks (90 %)"]
    assert {a.kind for a in alerts} == {"opportunity"}


def test_what_goes_with_it():
    """A healthy account that uses one feature and not its complement fires, until it uses both or is not healthy."""
    offers = [{"uses": "export", "lacks": "api", "suggest": "the API pack"}]
    usage = {"e": {"feature": "export"}, "a": {"feature": "api"}, "o": {"feature": "report"}}
    alerts = story({"cross_sell": {"offers": offers}}, """
        milestone   g....b..g.....
        usage       o..e.......a..
        cross_sell  ...F.R..F..R..
    """, milestone={"g": {"kind": "goal_progress", "value": 90}, "b": {"kind": "goal_progress", "value": 50}}, usage=usage)  # fmt: skip
    assert said(alerts) == ["uses export, not api: suggest the API pack"]
    story({"cross_sell": {"offers": []}}, """
        milestone   g.......
        usage       o..e....
        cross_sell  ........
    """, milestone=HEALTHY, usage=usage)  # fmt: skip


def test_grid_does_not_matter():
    """The same silence is told on the same day on a grid of one hour as on one of six."""
    story(SILENCE, """
        usage          xxxxxxxxxx.......xxx
        globex/usage   xxxxxxxxxxxxxxxxxxxx
        silence_usage  ............F....R..
    """, tick=HOUR)  # fmt: skip
