"""The one judgement at the end of every run: live state, published scores, the changelog alone, alerts and dead letters against the reference."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from alerts.model import decode_alert
from scoring.model import default_model
from scoring.times import iso
from streams.context import make_context
from streams.dead_letters import decode as decode_dead_letter
from streams.pipeline import Partition
from tests.fault.feeds import GRACE, TICK, Expected, Feeds
from tests.fault.harness import FaultRun
from tests.oracle.columns import accounts, restored
from tests.oracle.compare import differences
from tests.oracle.instants import millis
from tests.oracle.test_oracle import alert_fields, alert_name, expected_lines, outlook


@dataclass
class Verdict:
    """Every difference found, and how much was compared."""

    differences: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return f"{len(self.differences)} differences\n" + "\n".join(self.differences[:40])


async def assert_exact(run: FaultRun, feeds: Feeds, report: Callable[..., None]) -> None:
    """When everything is committed: no account differs anywhere, and every worker that runs ends well."""
    await run.finished(120)
    verdict = await judge(run, feeds)
    report(**run.figures(), **verdict.counts)
    assert not verdict.differences, str(verdict)
    assert verdict.counts["scores"] > 20
    assert verdict.counts["accounts"] > 20
    await run.stop_all()


async def judge(run: FaultRun, feeds: Feeds, *, live: bool = True) -> Verdict:
    """Compare everything that workers hold and wrote with the reference, told up to the committed offsets.

    `live` asks the running workers for their rows, too: each partition must be held by exactly one of them.
    """
    verdict = Verdict()
    expected = await feeds.expected()
    if live:
        held = await run.live()
        for number, told in expected.items():
            state = held.get(number, {"day": 0, "accounts": {}})
            add(verdict, f"live[{number}]", compare_accounts(told, state["day"], state["accounts"]))
    rows, scores, alerts = (
        await run.read("state", clock=True),
        await run.read("scores"),
        await run.read("alerts"),
    )
    lines = tick_lines(run.directory)
    for number, told in expected.items():
        rebuilt = rebuild(number, rows[number])
        add(verdict, f"rebuilt[{number}]", compare_accounts(told, rebuilt.store.day, accounts(rebuilt)))
        add(verdict, f"alerts[{number}]", compare_alerts(told, alerts[number]))
        add(verdict, f"ticks[{number}]", compare_ticks(told, lines))
        add(verdict, f"scores[{number}]", compare_scores(told, scores[number], verdict.counts))
        verdict.counts["accounts"] += len(told.compared(told.outcome.accounts))
        verdict.counts["alerts"] += len(told.outcome.alerts)
    add(
        verdict,
        "dead letters",
        compare_dead(expected, run.prefix, await run.read("dead-letters"), verdict.counts),
    )
    return verdict


def add(verdict: Verdict, where: str, found: Iterable[str]) -> None:
    """Note what differs, and where."""
    verdict.differences += [f"{where} {text}" for text in found]


def rebuild(number: int, records: Iterable[Any]) -> Partition:
    """The state of a partition out of its changelog and nothing else."""
    partition = Partition(number, make_context(default_model(), tick_ms=TICK, grace_ms=GRACE))
    return restored(partition, [(r.key, r.value) for r in records])


def compare_accounts(told: Expected, day: int, got: Mapping[str, Any]) -> list[str]:
    """Every field of every account."""
    wanted = {who: outlook(day, account) for who, account in told.compared(told.outcome.accounts).items()}
    return differences(wanted, told.compared(got))


def compare_alerts(told: Expected, records: Iterable[Any]) -> list[str]:
    """What identifies and decides about each alert; of what was told again, the first telling counts."""
    wanted = {alert_name(a): alert_fields(a) for a in reversed(told.outcome.alerts)}
    got = [msgspec.structs.asdict(decode_alert(r.value)) for r in records]
    return differences(wanted, {alert_name(a): alert_fields(a) for a in reversed(got)})


def compare_ticks(told: Expected, lines: Mapping[str, object]) -> list[str]:
    """Score, band, coverage and dimensions of every account at every tick."""
    wanted = {k: v for k, v in expected_lines(told.outcome).items() if k.rsplit(" ", 1)[1] not in told.aside}
    return differences(wanted, {k: lines.get(k, "no line") for k in wanted})


def compare_scores(told: Expected, records: Iterable[Any], counts: Counter[str]) -> list[str]:
    """Every published record against the tick it stands at; the newest one of each account must be the final one.

    Between two ticks a score moves with the events that count from the next one: such a record shows the band of
    its tick, but a score of its own.
    """
    at_tick = {(t.account_id, iso(t.as_of)): t for t in told.outcome.ticks}
    found: list[str] = []
    newest: dict[str, dict[str, Any]] = {}
    for record in records:
        score = json.loads(record.value)
        who, as_of = score["account_id"], score["as_of"]
        newest[who] = score
        tick = at_tick.get((who, as_of))
        if who in told.aside or tick is None:
            continue
        if tick.band != "ended" and score["band"] not in (tick.band, "ended"):
            found.append(f"{who} at {as_of}: band {score['band']}, reference {tick.band}")
        if is_settled(told, who, as_of) and score["band"] != "ended":
            counts["scores"] += 1
            found += different_score(score, tick, f"{who} at {as_of}")
    for who, account in told.compared(told.outcome.accounts).items():
        found += different_end(who, account, newest.get(who))
    return found


def is_settled(told: Expected, who: str, as_of: str) -> bool:
    """Whether no event counts from the next tick: then the score between the two is that of the tick."""
    return millis(as_of) + TICK not in told.counts[who]


def different_score(score: Mapping[str, Any], tick: Any, name: str) -> list[str]:
    """A published record and the line of its tick, to the last digit."""
    wanted = {
        "score": tick.score,
        "coverage": tick.coverage,
        "dimensions": {d: v for d, v in tick.dimensions.items() if v is not None},
    }
    got = {
        "score": None if score["score"] is None else round(score["score"] * 1000),
        "coverage": round(score["coverage"] * 1000),
        "dimensions": {d: round(v["score"] * 1000) for d, v in score.get("dimensions", {}).items()},
    }
    return differences({name: wanted}, {name: got})


def different_end(who: str, account: Mapping[str, Any], score: Mapping[str, Any] | None) -> list[str]:
    """The last word on an account: its band and coverage, and its score to half a point."""
    if score is None or score["band"] != account["band"]:
        return [f"{who}: published {score and score['band']}, reference {account['band']}"]
    if account["band"] == "ended":
        return []
    moved = abs((score["score"] or 0) * 1000 - (account["score"] or 0))
    if moved >= 500 or round(score["coverage"] * 1000) != account["coverage"]:
        return [
            f"{who}: published {score['score']}, {score['coverage']}, reference {account['score']}, {account['coverage']}"
        ]
    return []


def compare_dead(
    expected: Mapping[int, Expected], prefix: str, records: Mapping[int, list], counts: Counter[str]
) -> list[str]:
    """Each rejected record is in the dead letters with its place and reason; who was killed may have said it before."""
    wanted = {
        f"{prefix}{topic}[{number}]@{offset}": reason
        for told in expected.values()
        for (topic, number, offset), reason in told.dead.items()
    }
    letters = [decode_dead_letter(r.value) for rs in records.values() for r in rs]
    got = {f"{d.topic}[{d.partition}]@{d.offset}": d.reason for d in letters}
    counts["dead letters"], counts["dead letters again"] = len(got), len(letters) - len(got)
    return differences(wanted, got)


def tick_lines(directory: Path) -> dict[str, object]:
    """What the workers' tick logs say; a tick that ran again after a crash must say the same again."""
    lines: dict[str, object] = {}
    for path in directory.glob("ticks*.ndjson"):
        for text in path.read_bytes().split(b"\n"):
            try:
                line = json.loads(text)
            except ValueError:
                continue  # cut off by a kill
            value = [
                None if line["score"] is None else round(line["score"] * 1000), line["band"], round(line["coverage"] * 1000),
                {k: round(v * 1000) for k, v in line["dimensions"].items()},
            ]  # fmt: skip
            key = f"tick {line['as_of']} {line['account_id']}"
            assert lines.setdefault(key, value) == value, f"{key} was told twice, differently"
    return lines
