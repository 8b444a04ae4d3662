"""Logs written by hand: events in words, told by the reference under a small model."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.cast import NATURAL_SOURCE
from tests.oracle.histories import encoded
from tests.oracle.instants import DAY, HOUR, millis
from tests.oracle.models import DEFAULT_MODEL
from tests.oracle.reference import LogRecord, Outcome, run

NEW_YEAR = millis("2026-01-01")
"""Day 20454, the first of week 2922, of month 672."""
IDENTITY = [[0, 0], [10**9, 10**9]]


@dataclass
class Log:
    """A log under construction; times as text (UTC) or ms."""

    records: list[LogRecord] = field(default_factory=list)

    def add(
        self, kind: str, time: str | int, account: str = "a", /, *, at: str | int | None = None, **fields: Any
    ) -> LogRecord:
        """Append an event to the usual source of its type; `at` is its Kafka timestamp, else its own time."""
        when = millis(time) if isinstance(time, str) else time
        stamp = when if at is None else millis(at) if isinstance(at, str) else at
        body = {
            "type": kind,
            "event_id": f"e{len(self.records)}",
            "account_id": account,
            "time": when,
            **fields,
        }
        return self.append(NATURAL_SOURCE[kind], stamp, account.encode(), encoded(body))

    def append(self, source: int, timestamp: int, key: bytes | None, value: bytes | None) -> LogRecord:
        """Append a record as it is."""
        self.records.append(LogRecord(source, len(self.records), timestamp, key, value))
        return self.records[-1]

    def told(
        self, model: dict[str, Any], *, tick: int = HOUR, grace: int = 0, until: str | None = None
    ) -> Outcome:
        """What the reference says about the log."""
        end = None if until is None else millis(until)
        return run(self.records, model=model, tick=tick, grace=grace, until=end)

    def fates(self, model: dict[str, Any], *, tick: int = HOUR, grace: int = 0) -> dict[str, int]:
        """How many events met which fate, over all sources."""
        counted: Counter[str] = Counter()
        for (_, fate), n in self.told(model, tick=tick, grace=grace).fates.items():
            counted[fate] += n
        return dict(counted)


def model_of(**dimensions: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The default model with other dimensions (weight 1 each for low_touch), two rules, no onboarding or ceilings.

    A dimension is given by its signals and their options; a signal without a curve shows its x as it is.
    """
    model = copy.deepcopy(DEFAULT_MODEL)
    model["lifecycle"]["onboarding_days"] = 0
    model["ceilings"] = {}
    model["rules"] = {"band_entered": {"bands": ["red"]}, "complaint": {}}
    model["dimensions"] = {
        name: {
            "weight": {"low_touch": 1, "high_touch": 3},
            "signals": {
                signal: {"weight": 1, "curve": IDENTITY, **options} for signal, options in signals.items()
            },
        }
        for name, signals in dimensions.items()
    }
    return model


def answered(**options: Any) -> dict[str, Any]:
    """A model whose score is the newest csat answer of one respondent, without noticeable decay."""
    return model_of(sentiment={"csat": {"half_life_days": 10**9}}) | options


def told_of(
    log: Log, rule: str, until: str, *, tick: int = DAY, grace: int = 0, **options: Any
) -> list[tuple[str, str, float]]:
    """What one rule tells of account a under `answered`: phase, episode, days since the new year."""
    name = rule.partition("_")[0] if rule.startswith("silence") else rule
    out = log.told(answered(rules={name: options}), tick=tick, grace=grace, until=until)
    return [
        (a["phase"], a["episode"], (a["at"] - NEW_YEAR) / DAY)
        for a in out.alerts
        if (a["rule"], a["account_id"], a["revision"]) == (rule, "a", 0)
    ]


def account_of(log: Log, until: str | None = None, *, tick: int = DAY, grace: int = 0) -> dict[str, Any]:
    """The final state of account a."""
    return log.told(DEFAULT_MODEL, until=until, tick=tick, grace=grace).accounts["a"]


def log_with_usage(**fields: Any) -> Log:
    """A log of one usage event at the new year."""
    log = Log()
    log.add("usage", NEW_YEAR, **fields)
    return log


def score_at(log: Log, time: int, points: float, account: str = "a") -> None:
    """Append the answer that makes the score under `answered`, 0..100."""
    log.add("survey", time, account, kind="csat", score=points, scale_min=0, scale_max=100, respondent_id="r")
