"""The engine against the independent reference, column by column, over random histories."""

from __future__ import annotations

import os
from collections import Counter
from random import Random

import msgspec
import pytest

from scoring.events import SOURCES
from scoring.model import Model
from scoring.state import Store
from scoring.times import iso
from streams.codec import Admission, decode_chunk
from tests.oracle.columns import accounts, shown
from tests.oracle.compare import differences
from tests.oracle.engine import Told, tell
from tests.oracle.facts import TOUCHES, WEEKLY
from tests.oracle.histories import Scenario, scenario
from tests.oracle.items import FACT_RULES
from tests.oracle.logbook import NEW_YEAR
from tests.oracle.reading import LogRecord
from tests.oracle.run import Outcome, run
from tests.oracle.test_reference import NAMES, RECORDS, USAGE, value_of

HISTORIES = int(os.environ.get("ACCOUNTPULSE_TEST_HISTORIES", "1000"))
FIRST = int(os.environ.get("ACCOUNTPULSE_TEST_SEED", "0"))
BLOCK = 25


def outcome_of(s: Scenario) -> Outcome:
    """The reference, told at least to the last tick that an event counts from."""
    whole = run(s.records, model=s.model, tick=s.tick, grace=s.grace)
    if s.until is None or s.until <= (whole.last_tick or 0):
        return whole
    return run(s.records, model=s.model, tick=s.tick, grace=s.grace, until=s.until)


def outlook(day: int, account: dict) -> dict:
    """An account of the reference as far as the engine, whose rings are already rolled to `day` for the next tick, still remembers it."""
    first = {
        "usage": day - 127,
        "tickets": day - 127,
        "errors": day - 31,
        **dict.fromkeys(WEEKLY, day // 7 - 31),
        **dict.fromkeys(TOUCHES, day // 7 - 15),
    }
    first |= dict.fromkeys(("users", "features", "users_max"), day // 7 - 4)
    seen = {name: {b: v for b, v in account[name].items() if b >= oldest} for name, oldest in first.items()}
    seen |= {name: [d for d in account[name] if d >= day - 127] for name in ("active", "engaged")}
    seen["dimensions"] = {
        d: v for d, v in account["dimensions"].items() if v is not None and not account["ended"]
    }
    if account["ended"]:
        seen["history"] = {}
    beside = {"override_shown", "ranking"}
    return {name: value for name, value in {**account, **seen}.items() if name not in beside}


def beside_the_score(accounts: dict[str, dict]) -> dict[str, dict]:
    """What the reference shows beside the score, of accounts of which it shows anything."""
    overrides = {
        w: a["override_shown"] for w, a in accounts.items() if not a["ended"] and a["override_shown"]
    }
    told = {
        w: a["ranking"] | ({"override": overrides[w]} if w in overrides else {}) for w, a in accounts.items()
    }
    return {who: what for who, what in told.items() if what}


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
        tellings = Counter((a["id"], a["phase"], a["revision"], a["at"]) for a in expected.alerts)
        found += differences(
            {str(k): n for k, n in tellings.items()}, {str(k): n for k, n in told.tellings.items()}
        )
    found += differences(expected_lines(expected), engine_lines(told))
    found += differences(
        {alert_name(a): alert_fields(a) for a in reversed(expected.alerts)},
        {alert_name(a): alert_fields(a) for a in map(msgspec.structs.asdict, told.alerts.values())},
    )
    return found


def alert_name(alert: dict) -> str:
    """What identifies an alert for ever."""
    return f"alert {alert['rule']} {alert['id']} {alert['phase']} {alert['revision']}"


def alert_fields(alert: dict) -> dict:
    """What decides about an alert. The band that a new fact shows is that of the last flush, which is no tick."""
    names = ["account_id", "at", "term", "episode", "kind", "severity"]
    at_flush = alert["rule"] in FACT_RULES and alert["phase"] == "firing"
    return {name: alert[name] for name in (names if at_flush else [*names, "band"])}


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


@pytest.mark.parametrize(("reason", "key", "value"), RECORDS, ids=NAMES)
def test_the_codec_rejects_for_the_reason_of_the_reference(reason, key, value):
    """Alone and among good records, the reason is the first that applies."""
    good = LogRecord(0, 0, NEW_YEAR, b"a", value_of(USAGE))
    odd = LogRecord(0, 1, NEW_YEAR, key, value_of(value))
    for chunk in ([odd], [good, odd, good]):
        decoded = decode_chunk(chunk, Admission(lambda _: True, Store()))
        assert [reject.reason for reject in decoded.rejects] == ([reason] if reason else [])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("block", range(HISTORIES // BLOCK))
def test_engine_equals_reference(block):
    """Every column, fate, tick line, score, band and alert of random histories equals the reference, however the feeds interleave."""
    for seed in range(FIRST + block * BLOCK, FIRST + (block + 1) * BLOCK):
        s = scenario(seed)
        expected = outcome_of(s)
        told = tell(s, Model.model_validate(s.model), expected.last_tick or 0, Random(seed))
        found = verdict(told, expected, fates=True)
        found += differences(beside_the_score(expected.accounts), shown(told.partition))
        assert not found, f"seed {seed}: {len(found)} differences\n" + "\n".join(found[:30])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("block", range(max(1, HISTORIES // BLOCK // 8)))
def test_crashes_change_nothing(block):
    """Losing everything in memory, before or after the offsets were committed, leaves every column, tick and alert as if it had not happened."""
    crashes = replayed = 0
    for seed in range(FIRST + block * BLOCK, FIRST + (block + 1) * BLOCK):
        s = scenario(seed)
        expected = outcome_of(s)
        told = tell(s, Model.model_validate(s.model), expected.last_tick or 0, Random(seed), crashes=3)
        crashes, replayed = crashes + told.crashes, replayed + told.replayed
        found = verdict(told, expected, fates=False)
        assert not found, f"seed {seed}: {len(found)} differences\n" + "\n".join(found[:30])
    assert crashes > BLOCK
    assert replayed > 0, "no fence ever skipped anything: the crashes did not bite"
