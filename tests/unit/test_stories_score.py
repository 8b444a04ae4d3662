"""Stories of the rules about the score itself: bands, rapid drops, lost evidence; and that nothing flaps."""

from __future__ import annotations

from collections import Counter

import pytest

from alerts.model import Phase, Reason
from scoring.model import default_model
from scoring.times import DAY, HOUR
from tests.stories import KNOB, said, small_model, story

SCORES = {
    c: {"kind": "goal_progress", "value": v} for c, v in zip("0123456789", range(0, 100, 10), strict=True)
}
"""A digit is that many tens of points."""
ALWAYS = dict.fromkeys(("high_touch", "low_touch", "tech_touch"), 1)


def scores(**points: float) -> dict:
    return {c: {"kind": "goal_progress", "value": v} for c, v in points.items()}


def test_band_entered():
    """Red fires at once (the story has no holds); it takes 45 points to leave red, and only then it resolves."""
    alerts = story({"band_entered": {}}, """
        milestone  6..3..4..5..3..
        band       aaarrrrrraaarrr
        alert      ...F.....R..F..
    """, milestone=SCORES)  # fmt: skip
    assert said(alerts) == ["red since 2024-10-07T12:00:00Z"]
    assert [d.text for d in alerts[0].drivers] == ["goals down to 30 of 100: goal progress (now 30 %)"]
    assert [a.episode for a in alerts] == ["1", "1", "2"]


def test_band_with_its_hold():
    """A band that is held for a day does not turn on a dip of half a day, so nothing fires."""
    held = small_model({"band_entered": {}}, bands={"hold_hours": {"red": 24}})
    story({"band_entered": {}}, """
        milestone  6.....36..3...6..
        band       aaaaaaaaaaaarraaa
        alert      ............F.R..
    """, milestone=SCORES, model=held, step=12 * HOUR)  # fmt: skip


def test_rapid_drop_within_a_week():
    """Ten points lost in a week fire even inside green, nine do not; it ends when half is made good."""
    model = small_model({"rapid_drop": {"min_age_days": 0}})
    alerts = story({"rapid_drop": {"min_age_days": 0}}, """
        milestone   a.......b..c..d..
        band        ggggggggggggggggg
        alert       ........F.....R..
    """, milestone=scores(a=95, b=85, c=88, d=91), model=model)  # fmt: skip
    assert said(alerts) == ["-10.0 points in 7 days"]
    story({"rapid_drop": {"min_age_days": 0}}, """
        milestone  a.......b........
        alert      .................
    """, milestone=scores(a=95, b=85.1), model=model)  # fmt: skip


def test_rapid_drop_is_over_when_the_week_is():
    """A drop that stays is told once, and is over when a week later nothing has fallen further."""
    story({"rapid_drop": {"month_points": 100, "min_age_days": 0}}, """
        milestone  a.......b...........
        alert      ........F.......R...
    """, milestone=scores(a=95, b=80))  # fmt: skip


def test_slow_fade():
    """Four points a week never make ten in a week; after four weeks they are more than fifteen, and fire."""
    alerts = story({"rapid_drop": {"min_age_days": 0}}, """
        milestone  a......|b......|c......|d......|e......|.......
        alert      .......|.......|.......|.......|F......|.......
    """, milestone=scores(a=90, b=86, c=82, d=78, e=74))  # fmt: skip
    assert said(alerts) == ["-8.0 points in 7 days, -16.0 points in 28 days"]


def test_young_account_cannot_drop():
    """Without a score of seven days ago there is nothing to compare with, and nothing fires."""
    story({"rapid_drop": {"min_age_days": 0}}, """
        milestone  9....1
        alert      ......
    """, milestone=SCORES)  # fmt: skip


def test_coverage_is_lost():
    """A dimension whose evidence grows too old is told as lost; one that never had any is not; new evidence ends it."""
    model = small_model({"coverage_lost": {"percent": 30}}, dimensions={
        "goals": KNOB["goals"] | {"weight": dict.fromkeys(ALWAYS, 4)},
        "sentiment": {"weight": dict.fromkeys(ALWAYS, 3), "signals": {"nps": {"weight": 1, "half_life_days": 90, "curve": [[0, 0], [100000, 100000]]}}},
        "community": {"weight": dict.fromkeys(ALWAYS, 3), "signals": {"community_activity": {"weight": 1, "window_weeks": 13, "curve": [[0, 0], [9, 100000]]}}},
    })  # fmt: skip
    alerts = story({"coverage_lost": {"percent": 30}}, """
        milestone  9...................
        survey     s.................s.
        alert      ................F.R.
    """, milestone=SCORES, survey={"s": {"kind": "nps", "score": 9}}, model=model, step=8 * DAY, tick=DAY)  # fmt: skip
    assert said(alerts) == ["no evidence any more for sentiment: 30 % of the weight"]


def test_little_coverage_is_lost():
    """A lost dimension of less than the share is not told."""
    model = small_model({"coverage_lost": {"percent": 31}}, dimensions={
        "goals": KNOB["goals"] | {"weight": dict.fromkeys(ALWAYS, 7)},
        "sentiment": {"weight": dict.fromkeys(ALWAYS, 3), "signals": {"nps": {"weight": 1, "half_life_days": 90, "curve": [[0, 0], [100000, 100000]]}}},
    })  # fmt: skip
    story({"coverage_lost": {"percent": 31}}, """
        milestone  9...................
        survey     s...................
        alert      ....................
    """, milestone=SCORES, survey={"s": {"kind": "nps", "score": 9}}, model=model, step=8 * DAY, tick=DAY)  # fmt: skip


def test_band_changes_while_it_fires():
    """A band that changes while an alert fires is told again as its next revision; the resolve carries the last one."""
    alerts = story({"detractor": {"days": 12}}, """
        milestone  9....5....2.5....
        survey     ..s..............
        band       gggggaaaaarraaaaa
        alert      ..F..C....C.C.R..
    """, milestone=SCORES, survey={"s": {"kind": "nps", "score": 1}})  # fmt: skip
    assert [(a.phase, a.revision, a.reason, a.band) for a in alerts] == [
        (Phase.FIRING, 0, Reason.CONDITION_MET, "green"),
        (Phase.FIRING, 1, Reason.CHANGED, "amber"),
        (Phase.FIRING, 2, Reason.CHANGED, "red"),
        (Phase.FIRING, 3, Reason.CHANGED, "amber"),
        (Phase.RESOLVED, 3, Reason.CONDITION_CLEARED, "amber"),
    ]
    assert len({a.id for a in alerts}) == 1


@pytest.mark.parametrize("step", [DAY, 12 * HOUR, 2 * HOUR], ids=["daily", "twice a day", "every two hours"])
@pytest.mark.parametrize("bands", [["red"], ["red", "amber"]], ids=["red", "amber"])
def test_oscillating_score(step, bands):
    """A score that swings between 68 and 72 around 70 for 100 events fires and resolves each rule once at most."""
    rules = default_model().rules.model_dump() | {"band_entered": {"bands": bands}}
    rules["renewal_approaching"] = {"bands": ["red", "amber"]}
    alerts = story(rules, f"""
        account    r{"." * 99}
        milestone  {"lh" * 50}
    """, milestone=scores(l=68, h=72), account={"r": {"action": "created", "renewal_date": "2025-04-01"}}, step=step)  # fmt: skip
    told = Counter((a.rule, a.phase) for a in alerts)
    assert all(count == 1 for count in told.values()), told
    assert (("band_entered", Phase.FIRING) in told) == ("amber" in bands)
