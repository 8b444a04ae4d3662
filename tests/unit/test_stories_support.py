"""Stories of the rules about tickets and answers: urgent ones, many at once, complaints, detractors, falling answers, advocates."""

from __future__ import annotations

from string import ascii_letters
from typing import Any

import pytest

from scoring.times import HOUR
from tests.stories import said, story

OPENED = {c: {"action": "opened", "ticket_id": c} for c in ascii_letters}
CLUSTER = {"support_cluster": {"tickets": 3, "window_days": 7, "factor": 2}}
URGENT = {"hours_per_tier": {"high_touch": 24, "low_touch": 48, "tech_touch": 72}}
TICKET = {
    "u": {"action": "opened", "ticket_id": "T-12", "priority": "urgent"},
    "n": {"action": "opened", "ticket_id": "T-12"},
    "^": {"action": "updated", "ticket_id": "T-12", "priority": "critical"},
    "v": {"action": "updated", "ticket_id": "T-12", "priority": "normal"},
    "c": {"action": "closed", "ticket_id": "T-12"},
    "r": {"action": "reopened", "ticket_id": "T-12"},
}


def answers(kind: str = "nps", **who: int) -> dict[str, Any]:
    """Legend of answers: a digit is an answer by a new respondent."""
    return {str(n): {"kind": kind, "score": n} for n in range(11)} | {
        name: {"kind": kind, "score": score, "respondent_id": name[0]} for name, score in who.items()
    }


def test_urgent_ticket_waits():
    """An urgent ticket fires when it is open for 48 hours, not an hour before, and resolves when it is closed."""
    alerts = story({"urgent_ticket_ageing": URGENT}, """
        ticket  u.......................|........................|..c.
        alert   ........................|........................|F.R.
    """, ticket=TICKET, step=HOUR, tick=HOUR, at=0)  # fmt: skip
    story({"urgent_ticket_ageing": URGENT}, """
        ticket  u.......................|........................|c...
        alert   ........................|........................|....
    """, ticket=TICKET, step=HOUR, tick=HOUR, at=0)  # fmt: skip
    assert said(alerts) == ["ticket T-12 is urgent and open for 48 hours"]


@pytest.mark.parametrize(("tier", "alert"), [
    ("high_touch", "...F........R..."),
    ("low_touch", " .....F......R..."),
    ("tech_touch", ".......F....R..."),
])  # fmt: skip
def test_urgent_ticket_by_tier(tier, alert):
    """How long an urgent ticket may wait depends on the tier: one, two or three days, here in steps of twelve hours."""
    story({"urgent_ticket_ageing": URGENT}, f"""
        account  a...............
        ticket   .u..........c...
        alert    {alert}
    """, account={"a": {"action": "created", "tier": tier}}, ticket=TICKET, step=12 * HOUR, tick=HOUR)  # fmt: skip


def test_ticket_becomes_urgent():
    """The clock runs from the opening, whenever it became urgent; downgrading ends it, reopening begins it again."""
    story({"urgent_ticket_ageing": URGENT}, """
        ticket  n..^.v.^.c..r.
        alert   ...F.R.F.R..F.
    """, ticket=TICKET, tick=HOUR)  # fmt: skip


def test_tickets_cluster():
    """Three tickets within seven days fire with the third, and resolve when fewer than three are left in the window."""
    alerts = story(CLUSTER, """
        ticket  a...b.c.........
        alert   ......FR........
    """, ticket=OPENED)  # fmt: skip
    assert said(alerts) == ["3 tickets in 7 days; none in the 8 weeks before"]
    story(CLUSTER, """
        ticket  a...b..c....d...
        alert   ................
    """, ticket=OPENED)  # fmt: skip


def test_a_large_account_asks_as_much_as_ever():
    """Three tickets in a week are nothing where two are usual; four, twice the pace of eight weeks, are."""
    alerts = story(CLUSTER, """
        ticket  ab.....|cd.....|ef.....|gh.....|ij.....|kl.....|mn.....|op.....|qrs....|.......
        alert   .......|.......|.......|.......|.......|.......|.......|.......|.......|.......
    """, ticket=OPENED)  # fmt: skip
    assert alerts == []
    alerts = story(CLUSTER, """
        ticket  ab.....|cd.....|ef.....|gh.....|ij.....|kl.....|mn.....|op.....|qrst...|.......
        alert   .......|.......|.......|.......|.......|.......|.......|.......|...F...|R......
    """, ticket=OPENED)  # fmt: skip
    assert said(alerts) == ["4 tickets in 7 days; usually 2.0"]


def test_complaint():
    """A ticket becomes a complaint: it fires once, at the time of the event, and resolves when the ticket is closed."""
    alerts = story({"complaint": {}}, """
        ticket  o.x.x..d...
        alert   ..F....R...
    """, ticket={
        "o": {"action": "opened", "ticket_id": "T-1"}, "x": {"action": "updated", "ticket_id": "T-1", "complaint": True},
        "d": {"action": "closed", "ticket_id": "T-1"},
    })  # fmt: skip
    assert said(alerts) == ["ticket T-1 is marked as a complaint"]
    assert len(alerts[0].evidence[0].events) == 2


def test_detractor():
    """An answer of 6 fires, one of 7 does not; it stands for its days, or until the same person answers better."""
    alerts = story({"detractor": {"days": 5}}, """
        survey  .7..6.........
        alert   ....F....R....
    """, survey=answers())  # fmt: skip
    assert said(alerts) == ["somebody answered 6 of 10 on 2024-10-08"]
    assert alerts[0].evidence[0].events
    alerts = story({"detractor": {"days": 5}}, """
        survey  .a.A..........
        alert   .F.R..........
    """, survey={"a": {"kind": "nps", "score": 2, "respondent_id": "ana"}, "A": {"kind": "nps", "score": 8, "respondent_id": "ana"}})  # fmt: skip
    assert said(alerts) == ["ana answered 2 of 10 on 2024-10-05"]


def test_answers_fall():
    """Fifteen points between the halves of four answers fire, not three answers; it ends below half of that."""
    alerts = story({"falling_sentiment": {"points": 15, "days": 90}}, """
        survey  9.9.6.6..8..7..8...
        alert   ......F........R...
    """, survey=answers())  # fmt: skip
    assert said(alerts) == [
        "nps: the newer half of the answers lies 30.0 points (of 100) below the older half"
    ]


def test_answers_fall_too_little_or_long_ago():
    """A fall of ten points is not told, and one is not told any longer than its newest answer is young."""
    story({"falling_sentiment": {"points": 15, "days": 90}}, """
        survey  9.9.8.8..9..
        alert   ............
    """, survey=answers())  # fmt: skip
    story({"falling_sentiment": {"points": 15, "days": 4}}, """
        survey  5.5.2.2......
        alert   ......F...R..
    """, survey=answers("csat"))  # fmt: skip


def test_advocate():
    """A promoter in a healthy account fires, until a complaint or a detractor, or until the answer is old."""
    milestone = {"g": {"kind": "goal_progress", "value": 90}, "b": {"kind": "goal_progress", "value": 50}}
    ticket = {
        "c": {"action": "opened", "ticket_id": "T", "complaint": True},
        "d": {"action": "closed", "ticket_id": "T"},
    }
    alerts = story({"advocate": {"days": 10}}, """
        milestone  b..g....................
        survey     .9..............9..6....
        ticket     ......c..d..............
        alert      ...F..R..F.R....F..R....
    """, milestone=milestone, survey=answers(), ticket=ticket)  # fmt: skip
    assert said(alerts) == ["somebody answered 9 of 10 on 2024-10-05"]
    assert {a.kind for a in alerts} == {"opportunity"}
    story({"advocate": {"days": 10}}, """
        milestone  g.....
        survey     .8....
        alert      ......
    """, milestone=milestone, survey=answers())  # fmt: skip
