"""Whatever bytes come: nothing crashes, every record has the fate the reference says, and nobody else notices."""

from __future__ import annotations

import json
import os
from collections import Counter
from random import Random

import pytest

from scoring.events import SOURCES
from scoring.model import default_model
from streams.context import make_context
from streams.dead_letters import decode as decode_dead_letter
from streams.pipeline import Partition
from tests.fault.feeds import MODEL
from tests.oracle.columns import accounts
from tests.oracle.compare import differences
from tests.oracle.fuzzing import UNKNOWN, Input, fuzzed, repeats, valid
from tests.oracle.instants import DAY, HOUR, millis
from tests.oracle.reading import LogRecord, RejectedError, read
from tests.oracle.run import Outcome, run
from tests.oracle.test_oracle import outlook

INPUTS = int(os.environ.get("ACCOUNTPULSE_TEST_FUZZ", "5000"))
FIRST = int(os.environ.get("ACCOUNTPULSE_TEST_SEED", "0"))
BLOCK, BLOCKS_PER_TEST = 1000, 5
TICK, GRACE = 6 * HOUR, 60_000
START, STEP = millis("2026-06-01"), 100_000


def inputs_of(seed: int) -> list[Input]:
    random = Random(f"fuzz {seed}")
    offsets = [0] * len(SOURCES)
    found = []
    for serial in range(BLOCK):
        made = fuzzed(random, random.randrange(len(SOURCES)), 0, START + serial * STEP, serial)
        offsets[made.record.source] += 1
        record = made.record
        found.append(made._replace(record=LogRecord(record.source, offsets[record.source], *_rest(record))))
    return found


def _rest(record: LogRecord) -> tuple[int, bytes | None, bytes | None]:
    return record.timestamp, record.key, record.value


def told_by_engine(records: list[LogRecord], last: int, random: Random) -> Partition:
    """The partition after all records, in pieces, and every tick up to the last one."""
    partition = Partition(0, make_context(default_model(), tick_ms=TICK, grace_ms=GRACE))
    feeds = [[r for r in records if r.source == source] for source in range(len(SOURCES))]
    while any(feeds):
        source = random.choice([s for s, feed in enumerate(feeds) if feed])
        n = random.choice((1, 3, 40, 300))
        partition.feed(source, feeds[source][:n])
        del feeds[source][:n]
    for _ in partition.advance(last + GRACE + 1, frozenset(range(len(SOURCES)))):
        pass
    return partition


def reason_of(record: LogRecord) -> str | None:
    """What the reference reads in a record."""
    try:
        read(record)
    except RejectedError as reason:
        return str(reason)
    return None


def check(inputs: list[Input], seed: int) -> Counter[str]:
    """Everything that must hold of a block; returns how often each reason was met."""
    records = [each.record for each in inputs]
    reasons = {(r.source, r.offset): reason_of(r) for r in records}
    known = {(r.source, r.offset): reason for r, reason in inputs if reason is not UNKNOWN}
    assert {place: reasons[place] for place in known} == known, "the generator and the reference disagree"
    whole = run(records, model=MODEL, tick=TICK, grace=GRACE)
    last = whole.last_tick or 0
    partition = told_by_engine(records, last, Random(seed))
    check_fates(partition, records, whole, reasons)
    check_state(partition, whole)
    good = [r for r in records if reasons[r.source, r.offset] is None]
    alone = told_by_engine(good, last, Random(seed + 1))
    assert not differences(accounts(alone), accounts(partition)), "rejected records left something behind"
    return Counter(str(reason) for reason in reasons.values())


def check_fates(partition: Partition, records: list[LogRecord], whole: Outcome, reasons: dict) -> None:
    letters = map(decode_dead_letter, (value for _, value in partition.drain_dead_letters()))
    dead = {(SOURCES.index(letter.topic), letter.offset): letter.reason for letter in letters}
    wanted = {place: reason for place, reason in reasons.items() if reason}
    odd = {
        (r.source, r.offset): (wanted.get((r.source, r.offset)), dead.get((r.source, r.offset)), r)
        for r in records
    }
    assert not [each for each in odd.values() if each[0] != each[1]][:5]
    events = partition.context.totals.events
    assert sum(events.values()) == len(records)
    fates = Counter(
        {(SOURCES.index(source), fate): n for (source, fate), n in events.items() if fate != "dead"}
    )
    assert merged(fates) == merged(whole.fates)


def merged(fates: Counter[tuple[int, str]]) -> Counter[str]:
    """Types stray over all topics here: which of two events has nothing left to apply, depends on which topic is read first."""
    out: Counter[str] = Counter()
    for (source, fate), n in fates.items():
        out[f"{source} {'folded' if fate in ('applied', 'duplicate') else fate}"] += n
    return out


def check_state(partition: Partition, whole: Outcome) -> None:
    """Every account as the reference has it, and again after a way through the changelog."""
    wanted = {who: outlook(partition.store.day, account) for who, account in whole.accounts.items()}
    assert not differences(wanted, accounts(partition))[:20]
    for _ in partition.score_blocks():
        pass
    rows = [pair for block in partition.row_blocks() for pair in block]
    restored = Partition(0, partition.context)
    restored.restore(rows)
    assert not differences(wanted, accounts(restored))[:20]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("group", range(max(1, INPUTS // BLOCK // BLOCKS_PER_TEST)))
def test_any_input_has_its_fate(group):
    """Records that are events, records wrong in one way and raw bytes: read = applied + duplicate + late + dead, with the reason that the generator or the reference names, and the state of the reference."""
    seen: Counter[str] = Counter()
    for seed in range(FIRST + group * BLOCKS_PER_TEST, FIRST + (group + 1) * BLOCKS_PER_TEST):
        try:
            seen += check(inputs_of(seed), seed)
        except BaseException:
            print(f"seed {seed}")
            raise
    print(dict(seen))
    assert len(seen) >= 10, f"some reason was never met: {seen}"


def test_repeated_names_have_one_fate():
    """Of a name that comes twice in one object JSON leaves open which counts: the record is an event or a dead letter, and its neighbours are folded."""
    random = Random(FIRST)
    events = [valid(random, "a", START, n) for n in range(500)]
    texts = [[f"{json.dumps(name)}: {json.dumps(value)}" for name, value in e.items()] for e in events]
    values = [f"{{{', '.join([*parts, random.choice(parts)])}}}".encode() for parts in texts]
    assert all(map(repeats, values[:50]))
    good = b'{"type":"usage","event_id":"good-%d","account_id":"b","ts":"2026-06-01T00:00:00Z"}'
    records = [LogRecord(0, 2 * n, START, b"a", value) for n, value in enumerate(values)]
    records += [LogRecord(0, 2 * n + 1, START, b"b", good % n) for n in range(len(values))]
    partition = told_by_engine(sorted(records, key=lambda r: r.offset), START + 10 * TICK, random)
    assert sum(partition.context.totals.events.values()) == len(records)
    assert accounts(partition)["b"]["usage"] == {START // DAY: 1000 * len(values)}


NESTED = tuple(
    opening * 100_000 + middle + closing * 100_000
    for opening, middle, closing in ((b"[", b"", b"]"), (b'{"a":', b"1", b"}"), (b"[", b"", b""))
)


@pytest.mark.parametrize("deep", NESTED, ids=["list", "object", "open"])
@pytest.mark.parametrize(
    "where",
    [b"%s", b'{"type":"usage","event_id":"e","account_id":"a","ts":"2026-06-01T00:00:00Z","x":%s}'],
    ids=["bare", "unknown field"],
)
def test_nesting_is_a_dead_letter(where, deep):
    """JSON nested a hundred thousand deep is malformed, wherever it stands, and its neighbours in the chunk are folded."""
    good = b'{"type":"usage","event_id":"%d","account_id":"a","ts":"2026-06-01T00:00:00Z"}'
    values = [good % 0, where % deep, good % 1]
    records = [LogRecord(0, offset, START + HOUR, b"a", value) for offset, value in enumerate(values)]
    assert [reason_of(record) for record in records] == [None, "malformed", None]
    check([Input(record, reason_of(record)) for record in records], 0)


def test_counters_do_not_wrap():
    """Ten times the largest number of errors, of users and of usage in one day are counted, not wrapped."""
    body = (
        b'{"type":"usage","event_id":"%d","account_id":"a","ts":"2026-06-01T00:00:00Z",'
        b'"quantity":1000000000,"errors":1000000000,"active_users":1000000000}'
    )
    records = [LogRecord(0, n, START, b"a", body % n) for n in range(10)]
    check([Input(record, None) for record in records], 0)
