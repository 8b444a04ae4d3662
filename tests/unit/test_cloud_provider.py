"""Dirty and large public data sets, where they lie beside the repository: nothing is dropped in silence, and order does not matter."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from scoring.times import DAY, HOUR, parse
from streams.replay import Replay, read_lines
from tests.property.feeds import context, folded

DATA = Path(__file__).parents[2].parent / "shared" / "data"
NOW = parse("2026-06-01T00:00:00Z")
EVIDENCE_OF_ORDER = ("applied", "duplicate", "late", "replayed", "dead")

pytestmark = [
    pytest.mark.skipif(
        not DATA.is_dir(), reason="the sample data lie beside the repository, and are not there"
    ),
    pytest.mark.timeout(300),
]


def path(name: str) -> str:
    return str(DATA / name)


def events(name: str) -> Iterator[dict]:
    with gzip.open(path(name)) as lines:
        yield from map(json.loads, lines)


def replayed(name: str) -> Replay:
    replay = Replay(context(tick=DAY, grace=HOUR), NOW)
    replay.run(read_lines([path(name)]))
    return replay


def fates(replay: Replay) -> dict[str, Counter[str]]:
    """Source to events by fate."""
    out: dict[str, Counter[str]] = {}
    for (source, fate), n in replay.partition.context.totals.events.items():
        out.setdefault(source, Counter())[fate] += n
    assert all(fate in EVIDENCE_OF_ORDER for by in out.values() for fate in by)
    assert replay.read == sum(by.total() for by in out.values()), (
        "read = applied + duplicate + replayed + late + dead"
    )
    return out


@pytest.fixture(scope="module")
def by_time() -> Replay:
    return replayed("cloud_provider/events.ndjson.gz")


def test_dirty_records(by_time):
    """Of 45,946 dirty events exactly the 2,302 that break the contract are dead, each under its reason; all others are applied."""
    told = list(events("cloud_provider/events.ndjson.gz"))
    usage = Counter(type(e["quantity"]).__name__ for e in told if e["type"] == "usage")
    surveys = [e for e in told if e["type"] == "survey"]
    unanswered = sum(e["score"] is None for e in surveys)
    off_scale = Counter(
        e["kind"]
        for e in surveys
        if e["score"] is not None and not e["scale_min"] <= e["score"] <= e["scale_max"]
    )
    # What the files hold, counted without the program: quantities that are null or text, empty answers, answers off their scale.
    assert usage == {"float": 41_014, "NoneType": 877, "str": 1_309}
    assert (unanswered, off_scale) == (19, {"nps": 66, "csat": 31})
    assert by_time.partition.context.totals.dead == {"invalid": 877 + 1_309 + 19, "out_of_range": 66 + 31}
    assert fates(by_time) == {
        "usage": {"applied": 41_014, "dead": 2_186},
        "tickets": {"applied": 1_760},
        "invoices": {"applied": 240},
        "surveys": {"applied": 666 - 116, "dead": 116},
        "accounts": {"applied": 80},
    }


def test_both_orders_end_alike(by_time):
    """The same events by time and as they arrived, shuffled over 60 days, end in the same columns, rings and tails."""
    arrived = replayed("cloud_provider/arrival.ndjson.gz")
    assert fates(arrived) == fates(by_time)
    assert folded(arrived.partition.store) == folded(by_time.partition.store)


def test_invoices_of_a_year():
    """The lives of 2,466 invoices: every one of 6,470 events is applied, and no invoice stays open."""
    told = Counter((e["type"], e["action"]) for e in events("ibm_receivables/events.ndjson.gz"))
    assert told == {
        ("invoice", "issued"): 2_466, ("invoice", "paid"): 2_466, ("invoice", "overdue"): 877, ("invoice", "disputed"): 561,
        ("account", "signup"): 100,
    }  # fmt: skip
    replay = replayed("ibm_receivables/events.ndjson.gz")
    assert fates(replay) == {"invoices": {"applied": 2_466 + 2_466 + 877 + 561}, "accounts": {"applied": 100}}
    assert not replay.partition.context.totals.dead
    tails = [replay.partition.store.tails[row] for row in range(replay.partition.store.n)]
    assert not [i for tail in tails for i in tail.invoices.values() if i.is_open]


def test_a_quarter_of_a_thousand_accounts():
    """Of all events of every fourth account none is dead, late or lost, those that tell nothing new are duplicates, and those that churned are ended."""
    kept, told, upgrades, churned = [], Counter(), [], set()
    for line in read_lines([path("saasguard/events.ndjson.gz")]):
        event = json.loads(line.text)
        if crc32(event["account_id"].encode()) % 4:
            continue
        kept.append(line)
        told[event["type"], event.get("action", "")] += 1
        if event.get("action") == "plan_upgraded":
            upgrades.append(event)
        if event["type"] == "churn":
            churned.add(event["account_id"])
    assert all(e.keys() == {"type", "action", "account_id", "ts", "event_id"} for e in upgrades), (
        "an upgrade that names no plan"
    )
    replay = Replay(context(tick=DAY, grace=HOUR), NOW)
    replay.run(iter(kept))
    by_type = Counter()
    for (kind, _), n in told.items():
        by_type[kind] += n
    assert by_type["usage"] > 150_000
    assert fates(replay) == {
        "usage": {"applied": by_type["usage"]},
        "tickets": {"applied": by_type["ticket"]},
        "invoices": {"applied": by_type["invoice"]},
        "accounts": {"applied": told["account", "signup"] + by_type["churn"], "duplicate": len(upgrades)},
    }
    assert replay.read == len(kept)
    store = replay.partition.store
    ended = store.hot["ended_ts"][: store.n] >= store.hot["started_ts"][: store.n]
    assert {
        store.name(row) for row in range(store.n) if ended[row] and store.hot["ended_ts"][row] >= 0
    } == churned
    assert len(churned) > 60
