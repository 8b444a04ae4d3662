"""The random histories reach what they are meant to reach, and a comparison names what differs."""

from __future__ import annotations

from tests.oracle.compare import differences
from tests.oracle.histories import scenario
from tests.oracle.logbook import DEFAULT_MODEL
from tests.oracle.reference import run


def test_random_histories_hold_everything() -> None:
    """Forty of them reach every reject, fate, band, phase and a third term; redrawn they are the same."""
    seen: set[str] = set()
    for seed in range(40):
        drawn = scenario(seed, events=120)
        out = run(drawn.records, model=DEFAULT_MODEL, tick=drawn.tick, grace=drawn.grace, until=drawn.until)
        seen |= {*out.dead, *(fate for _, fate in out.fates), *(line.band for line in out.ticks)}
        seen |= {f"{alert['rule']} {alert['phase']}" for alert in out.alerts}
        seen |= {f"term {min(account['term'], 2)}" for account in out.accounts.values()}
    assert scenario(7) == scenario(7)
    rejects = {"missing_key", "too_large", "malformed", "unknown_type", "unknown_action", "invalid"}
    rejects |= {"bad_timestamp", "out_of_range", "key_mismatch", "future"}
    bands = {"insufficient_data", "red", "amber", "green", "ended"}
    phases = {f"{rule} {phase}" for rule in ("band_entered", "complaint") for phase in ("firing", "resolved")}
    assert seen == rejects | bands | phases | {"late", "duplicate", "applied", "term 0", "term 1", "term 2"}


def test_differences_are_told_by_path() -> None:
    """Keys compare as text, tuples as lists; every differing value is one line."""
    expected = {"a": {"usage": {1: 5, 2: 6}, "times": (1, 2), "band": "red"}, "b": {}}
    same = {"a": {"usage": {"1": 5, "2": 6}, "times": [1, 2], "band": "red"}, "b": {}}
    other = {"a": {"usage": {1: 5, 2: 7}, "times": (1,), "band": "red", "score": None}}
    assert differences(expected, same) == []
    assert differences(expected, other) == [
        "a.score: expected 'nothing', got None",
        "a.times#1: expected 2, got 'nothing'",
        "a.usage[2]: expected 6, got 7",
        "b: expected {}, got 'nothing'",
    ]
