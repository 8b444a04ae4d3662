"""Stories of the rules about people and the way to value: contact, sponsors, onboarding, goals, declined features, strategy."""

from __future__ import annotations

import pytest

from alerts.model import Reason
from scoring.times import DAY, iso
from tests.property.feeds import START
from tests.stories import said, story

DAYS = {"high_touch": 5, "low_touch": 10, "tech_touch": 20}
CREATED = {"c": {"action": "created"}}
TOUCH = {
    "o": {"channel": "email"},
    "i": {"channel": "email", "direction": "inbound"},
    "m": {"channel": "meeting"},
    "k": {"channel": "knowledge_base"},
}
SPONSOR = {
    "a": {"channel": "meeting", "contact_id": "ana", "role": "executive"},
    "A": {"channel": "email", "direction": "inbound", "contact_id": "ana", "departed": True},
    "@": {"channel": "email", "contact_id": "ana", "departed": False},
    "b": {"channel": "meeting", "contact_id": "bo", "role": "champion"},
    "o": {"channel": "email", "contact_id": "bo", "role": "champion"},
    "u": {"channel": "meeting", "contact_id": "ed", "role": "user"},
    "U": {"channel": "email", "contact_id": "ed", "departed": True},
}


def test_only_we_write():
    """Ten days without reply fire, however much we send; a reply or a meeting ends it, mail of ours does not."""
    alerts = story({"no_two_way_contact": {"days_per_tier": DAYS}}, """
        account     c................................
        engagement  o..o..o..o..o.oi..o..o..o.o..o.m.
        alert       ..........F....R.........F.....R.
    """, account=CREATED, engagement=TOUCH)  # fmt: skip
    assert said(alerts) == [
        "no reply and no meeting ever; a customer since 2024-10-04, 10 days ago; 2 messages of ours in the weeks since"
    ]


def test_nobody_records_contact():
    """Without any recorded contact the rule cannot tell and says nothing; a first mail of ours is a record."""
    story({"no_two_way_contact": {"days_per_tier": DAYS}}, """
        account     c.............
        engagement  ...k..k.....o.
        alert       ............F.
    """, account=CREATED, engagement=TOUCH)  # fmt: skip


@pytest.mark.parametrize(("tier", "alert"), [
    ("high_touch", "......F............."),
    ("low_touch", " ...........F........"),
])  # fmt: skip
def test_contact_by_tier(tier, alert):
    """How long nobody may answer depends on the tier."""
    story({"no_two_way_contact": {"days_per_tier": DAYS}}, f"""
        account     c...................
        engagement  .m.o...o...o...o....
        alert       {alert}
    """, account={"c": {"action": "created", "tier": tier}}, engagement=TOUCH)  # fmt: skip


def test_sponsor_is_replaced():
    """A departed sponsor fires; one who was there before, or whom we only wrote to, does not end it, one who meets us does."""
    alerts = story({"sponsor_departed": {}}, """
        engagement  a.b.A..o..u..b..
        alert       ....F........R..
    """, engagement=SPONSOR)  # fmt: skip
    assert said(alerts) == ["ana (executive) departed; 1 sponsor left that we know"]
    assert len(alerts[0].evidence[0].events) == 1


def test_sponsor_comes_back():
    """A sponsor who is back ends it; that a user leaves is not told, nor what is told twice."""
    story({"sponsor_departed": {}}, """
        engagement  a..A.A..@...
        alert       ...F....R...
    """, engagement=SPONSOR)  # fmt: skip
    story({"sponsor_departed": {}}, """
        engagement  a.u.U.......
        alert       ............
    """, engagement=SPONSOR)  # fmt: skip


def test_departed_sponsor_is_forgotten():
    """A departed sponsor of whom nothing was heard for 128 days is forgotten, and the alert with them."""
    story({"sponsor_departed": {}}, """
        engagement  aA..............
        alert       .F............R.
    """, engagement=SPONSOR, step=10 * DAY, tick=DAY)  # fmt: skip


def test_onboarding_is_late():
    """Ten days after creation without value or an end of onboarding fire; the first of either resolves."""
    milestone = {"p": {"kind": "goal_progress", "value": 10}, "d": {"kind": "onboarding_done"}, "v": {"kind": "first_value"}}  # fmt: skip
    for done in "dv":
        alerts = story({"onboarding_overdue": {"days_per_tier": DAYS}}, f"""
            account    c..............
            milestone  .p..........{done}..
            alert      ..........F.R..
        """, account=CREATED, milestone=milestone, at=0)  # fmt: skip
        assert said(alerts) == ["onboarding was due on 2024-10-14, 0 days ago; no value seen yet"]
        story({"onboarding_overdue": {"days_per_tier": DAYS}}, f"""
            account    c..............
            milestone  .p......{done}......
            alert      ...............
        """, account=CREATED, milestone=milestone)  # fmt: skip


def test_onboarding_as_planned():
    """A planned date takes the place of the usual one, and moves it."""
    plan = {"p": {"kind": "onboarding_done", "value": 50, "due_at": iso(START + 4 * DAY)},
            "P": {"kind": "onboarding_done", "value": 60, "due_at": iso(START + 9 * DAY)}}  # fmt: skip
    story({"onboarding_overdue": {"days_per_tier": DAYS}}, """
        account    c............
        milestone  .p....P......
        alert      ....F.R..F...
    """, account=CREATED, milestone=plan)  # fmt: skip


def test_nobody_records_milestones():
    """Without milestones or value events the rule cannot tell; a usage event that was of no value is a record."""
    story({"onboarding_overdue": {"days_per_tier": DAYS}}, """
        account  c.............
        usage    xx.........n..
        alert    ...........F..
    """, account=CREATED, usage={"x": {}, "n": {"value_event": False}})  # fmt: skip


def test_no_value_any_more():
    """Five days after the last value event fire, plain use does not end it, the next value event does."""
    alerts = story({"no_value": {"days": 5}}, """
        usage  v.vxxxxxxxxx.v..
        alert  .......F.....R..
    """, usage={"x": {}, "v": {"value_event": True}})  # fmt: skip
    assert said(alerts) == ["value last seen on 2024-10-06, 5 days ago"]
    story({"no_value": {"days": 5}}, """
        usage  nxxxxxxxxxxxxxxx
        alert  ................
    """, usage={"x": {}, "n": {"value_event": False}})  # fmt: skip


def test_goal_is_stuck():
    """A goal three days past its date fires; progress does not end it, reaching it or a new date does."""
    goal = {
        "g": {"kind": "goal_progress", "value": 40, "due_at": iso(START + 2 * DAY)},
        "p": {"kind": "goal_progress", "value": 60}, "d": {"kind": "goal_progress", "value": 100},
        "n": {"kind": "goal_progress", "due_at": iso(START + 20 * DAY)},
    }  # fmt: skip
    alerts = story({"stalled_implementation": {"days": 3}}, """
        milestone  g.....p..d.......
        alert      .....F...R.......
    """, milestone=goal)  # fmt: skip
    assert said(alerts) == ["the goal is at 40 % and was due on 2024-10-06, 3 days ago"]
    story({"stalled_implementation": {"days": 3}}, """
        milestone  g......n.........
        alert      .....F.R.........
    """, milestone=goal)  # fmt: skip


@pytest.mark.parametrize(("rule", "text"), [
    ("feature_declined", "a feature they asked for was declined on 2024-10-06"),
    ("strategy_change", "a change of strategy was told on 2024-10-06"),
])  # fmt: skip
def test_told_for_some_days(rule, text):
    """What was told stands for its days, counted from the newest time it was told."""
    alerts = story({rule: {"days": 5}}, """
        milestone  ..x..x..........x.
        alert      ..F.......R.....F.
    """, milestone={"x": {"kind": rule}})  # fmt: skip
    assert said(alerts) == [text]


def test_all_ends_with_the_account():
    """The end of an account resolves what fires for it; in its next term the days count anew."""
    alerts = story({"no_two_way_contact": {"days_per_tier": DAYS}}, """
        account     c.............s.............
        churn       ............c...............
        engagement  o..............o..o..o..o..o
        alert       ..........F.R...........F...
    """, account=CREATED | {"s": {"action": "signup"}}, churn={"c": {}}, engagement=TOUCH)  # fmt: skip
    assert [a.reason for a in alerts] == [Reason.CONDITION_MET, Reason.ACCOUNT_ENDED, Reason.CONDITION_MET]
    assert [(a.term, a.episode) for a in alerts] == [(0, "1"), (0, "1"), (1, "1")]
