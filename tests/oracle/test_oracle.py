"""The engine against the independent reference, column by column, over random histories."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from random import Random

import msgspec
import pytest
import yaml

from scoring.events import SOURCES
from scoring.model import parse_model
from scoring.times import iso
from tests.oracle.compare import differences
from tests.oracle.engine import Told, accounts, tell
from tests.oracle.histories import Scenario, scenario
from tests.oracle.run import Outcome, run

MODEL = Path("scoring/models/default.yaml").read_text("utf-8")
PARSED, PLAIN = parse_model(MODEL), yaml.safe_load(MODEL)
HISTORIES = int(os.environ.get("ACCOUNTPULSE_TEST_HISTORIES", "1000"))
FIRST = int(os.environ.get("ACCOUNTPULSE_TEST_SEED", "0"))
BLOCK = 25
WEEKLY = ("complaints", "reopens", "late", "failures", "disputes")


def outcome_of(s: Scenario) -> Outcome:
    """The reference, told at least to the last tick that an event counts from."""
    whole = run(s.records, model=PLAIN, tick=s.tick, grace=s.grace)
    if s.until is None or s.until <= (whole.last_tick or 0):
        return whole
    return run(s.records, model=PLAIN, tick=s.tick, grace=s.grace, until=s.until)


def outlook(day: int, account: dict) -> dict:
    """An account of the reference as far as the engine, whose rings are already rolled to `day` for the next tick, still remembers it."""
    first = {
        "usage": day - 127,
        "tickets": day - 127,
        "errors": day - 31,
        **dict.fromkeys(WEEKLY, day // 7 - 31),
    }
    first |= dict.fromkeys(("users", "features", "users_max"), day // 7 - 4)
    seen = {name: {b: v for b, v in account[name].items() if b >= oldest} for name, oldest in first.items()}
    seen["active"] = [d for d in account["active"] if d >= day - 127]
    seen["dimensions"] = {
        d: v for d, v in account["dimensions"].items() if v is not None and not account["ended"]
    }
    if account["ended"]:
        seen["history"] = {}
    return {**account, **seen}


def verdict(told: Told, expected: Outcome, *, fates: bool) -> list[str]:
    found = differences(
        {who: outlook(told.partition.store.day, a) for who, a in expected.accounts.items()},
        accounts(told.partition),
    )
    if fates:
        counts = told.context.totals
        got = Counter(
            {(SOURCES.index(s), fate): n for (s, fate), n in counts.events.items() if fate != "dead"}
        )
        found += [f"fates: expected {expected.fates}, got {got}"] if got != expected.fates else []
        found += (
            [f"dead: expected {expected.dead}, got {counts.dead}"] if counts.dead != expected.dead else []
        )
    found += differences(expected_lines(expected), engine_lines(told))
    found += differences(
        {f"alert {a['id']} {a['phase']}": alert_fields(a) for a in reversed(expected.alerts)},
        {f"alert {a.id} {a.phase}": alert_fields(msgspec.structs.asdict(a)) for a in told.alerts.values()},
    )
    return found


def alert_fields(alert: dict) -> dict:
    """What decides about an alert. The band that a fact shows is that of the last flush, which is no tick."""
    names = ["id", "account_id", "rule", "phase", "at", "term", "episode"]
    return {name: alert[name] for name in (names if alert["rule"] == "complaint" else [*names, "band"])}


def expected_lines(expected: Outcome) -> dict[str, object]:
    return {
        f"tick {iso(t.as_of)} {t.account_id}": [
            t.score,
            t.band,
            t.coverage,
            {k: v for k, v in t.dimensions.items() if v is not None},
        ]
        for t in expected.ticks
        if t.band != "ended"
    }


def engine_lines(told: Told) -> dict[str, object]:
    return {
        f"tick {as_of} {who}": [
            None if line.score is None else round(line.score * 1000), line.band, round(line.coverage * 1000),
            {k: round(v * 1000) for k, v in line.dimensions.items()},
        ]
        for (as_of, who), line in told.lines.items()
    }  # fmt: skip


@pytest.mark.timeout(600)
@pytest.mark.parametrize("block", range(HISTORIES // BLOCK))
def test_engine_equals_reference(block):
    """Every column, fate, tick line, score, band and alert of random histories equals the reference, however the feeds interleave."""
    for seed in range(FIRST + block * BLOCK, FIRST + (block + 1) * BLOCK):
        s = scenario(seed)
        expected = outcome_of(s)
        told = tell(s, PARSED, expected.last_tick or 0, Random(seed))
        found = verdict(told, expected, fates=True)
        assert not found, f"seed {seed}: {len(found)} differences\n" + "\n".join(found[:30])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("block", range(max(1, HISTORIES // BLOCK // 8)))
def test_crashes_change_nothing(block):
    """Losing everything in memory, before or after the offsets were committed, leaves every column, tick and alert as if it had not happened."""
    crashes = replayed = 0
    for seed in range(FIRST + block * BLOCK, FIRST + (block + 1) * BLOCK):
        s = scenario(seed)
        expected = outcome_of(s)
        told = tell(s, PARSED, expected.last_tick or 0, Random(seed), crashes=3)
        crashes, replayed = crashes + told.crashes, replayed + told.replayed
        found = verdict(told, expected, fates=False)
        assert not found, f"seed {seed}: {len(found)} differences\n" + "\n".join(found[:30])
    assert crashes > BLOCK
    assert replayed > 0, "no fence ever skipped anything: the crashes did not bite"
