"""Public data sets, where they lie beside the repository, from file to receiver and view: what goes in comes out, or is told why not."""

import asyncio
import csv
import gzip
import itertools
import json
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from alerts.delivery import NOTABLE
from alerts.model import decode_alert
from scoring.events import SOURCES
from streams import dead_letters
from streams.partitioner import partition_of
from streams.view_reader import Order
from tests.plumbing.roles import ended, environment_of, role, samples, total, typed
from tests.plumbing.view_world import BANDS, PARTITIONS, from_topic, listed, reading
from tests.plumbing.worker_group import until
from tests.receiver import receiver

DATA = Path(__file__).parents[2].parent / "shared" / "data"
SHAPES = DATA / "payload_shapes"
FATES = ("applied", "duplicate", "replayed", "late", "dead")
TICK_S = 86_400
CUT = "2019-09-15"
"""Subscription periods are told as they were known that day."""
pytestmark = [
    pytest.mark.skipif(
        not DATA.is_dir(), reason="the sample data lie beside the repository, and are not there"
    ),
    pytest.mark.timeout(900),
]


def lines_of(name, count=None):
    with gzip.open(DATA / name) as file:
        return list(itertools.islice(file, count))


def periods():
    """Customer to its subscription periods (start, end, monthly amount), in order."""
    out = {}
    with (SHAPES / "mrr_playbook_subscription_periods.csv").open() as file:
        for row in csv.DictReader(file):
            period = row["start_date"], row["end_date"], int(row["monthly_amount"])
            out.setdefault(f"customer-{row['customer_id']}", []).append(period)
    return {customer: sorted(told) for customer, told in out.items()}


def account_events():
    """The periods as events: a start, changes of the amount, an end where no period follows at once."""
    events = []
    for customer, told in periods().items():
        for at, (start, end, amount) in enumerate(told):
            follows = at > 0 and told[at - 1][1] == start
            action = "plan_changed" if follows else "subscription_started"
            events.append((start, customer, {"action": action, "mrr": amount, "currency": "USD"}))
            if at + 1 == len(told) or told[at + 1][0] != end:
                events.append((end, customer, {"action": "subscription_ended"}))
    common = [
        {"type": "account", "account_id": customer, "ts": f"{day}T00:00:00Z", "event_id": f"{customer}-{day}-{n}"} | what
        for n, (day, customer, what) in enumerate(sorted(events, key=lambda each: each[0])) if day <= CUT
    ]  # fmt: skip
    return [json.dumps(event).encode() + b"\n" for event in common]


def raw_payloads():
    """What Stripe pushes, as it is, with nothing but an account to send it by: no event of ours."""
    resources = json.loads((SHAPES / "stripe/fixtures3.json").read_text("utf-8"))["resources"]
    return [
        json.dumps({**each, "account_id": f"raw-{n % 20}"}).encode() + b"\n"
        for n, each in enumerate(resources.values())
    ]


class Outcome:
    """Everything that the topics, the roles and the receiver held at the end."""

    def __init__(self):
        self.fates: Counter = Counter()
        self.records: dict[str, list] = {}
        self.received: Counter = Counter()
        self.delivered: Counter = Counter()
        self.scores: dict[str, dict] = {}
        self.view: dict[str, set] = {}


async def read(settings, name):
    """All records of a topic."""
    tps = [TopicPartition(settings.topic_prefix + name, n) for n in range(settings.kafka.partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka.bootstrap, auto_offset_reset="earliest")
    found = []
    async with consumer:
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [r for r in records if r.key is None or r.key[:1] != b"\0"]  # no term records
    return found


async def viewed(settings):
    """Band to the accounts that the view lists under it."""
    async with reading(settings) as reader:
        return {band: set(await listed(reader, Order.SCORE, band=band)) for band in (*BANDS, "ended")}


def caught_up(worker):
    """Whether every clock has passed the last tick, and all scores that changed are published."""
    lags, pending = (
        samples(worker, "accountpulse_clock_lag_seconds"),
        samples(worker, "accountpulse_score_age_seconds"),
    )
    return len(lags) == PARTITIONS and max(lags) < TICK_S + 60 and max(pending) < 1


async def through(settings, directory, lines) -> Outcome:
    """The lines through worker, notifier with a webhook, and view, each a process; all of them end in good order."""
    out = Outcome()
    file = directory / "events.ndjson"
    file.write_bytes(b"".join(lines))
    async with receiver() as server, AsyncExitStack() as stack:
        environment = environment_of(
            settings, ENGINE__TICK=TICK_S, ENGINE__IDLE="0.5", ENGINE__COLD_START_HOURS=10**6,
            ENGINE__DEAD_LETTER_SHARE=1, SINKS__WEBHOOK__URL=f"http://127.0.0.1:{server.port}/",
            SINKS__WEBHOOK__SECRET="s3cret",
        )  # fmt: skip
        sent = await asyncio.to_thread(typed, ["produce", str(file)], environment, directory)
        assert sent.returncode == 0, sent.stderr
        roles = [
            stack.enter_context(role([name], environment, directory))
            for name in ("worker", "notifier", "view")
        ]
        worker, notifier, view = roles
        await until(
            lambda: total(worker, "accountpulse_events_total") >= len(lines), 400, worker.log.read_text
        )
        await until(lambda: caught_up(worker), 400, lambda: worker.get("/metrics")[1])
        for source, fate in itertools.product(SOURCES, FATES):
            out.fates[source, fate] = int(
                total(worker, "accountpulse_events_total", source=source, fate=fate)
            )
        assert await ended(worker) == 0, worker.log.read_text()[-3000:]
        for name in (*SOURCES, "alerts", "dead-letters"):
            out.records[name] = await read(settings, name)
        alerts = len(out.records["alerts"])
        await until(
            lambda: total(notifier, "accountpulse_deliveries_total") >= alerts, 200, notifier.log.read_text
        )
        await until(lambda: samples(view, "accountpulse_view_lag_records") == [0], 100, view.log.read_text)
        out.scores = await from_topic(settings)
        out.view = await viewed(settings)
        for fate in ("sent", "quiet_phase"):
            out.delivered[fate] = int(total(notifier, "accountpulse_deliveries_total", fate=fate))
        assert [await ended(notifier), await ended(view)] == [0, 0]
        heads = ("accountpulse-alert-id", "accountpulse-phase", "accountpulse-revision")
        out.received = Counter(tuple(request.headers[head] for head in heads) for request in server.requests)
    return out


def assert_whole(out: Outcome, lines) -> None:
    """Read = applied + duplicate + replayed + late + dead; accounts in the view = accounts scored; delivered = published."""
    for source in SOURCES:
        assert sum(out.fates[source, fate] for fate in FATES) == len(out.records[source]), source
    letters = [dead_letters.decode(record.value) for record in out.records["dead-letters"]]
    assert Counter(letter.topic.rpartition(".")[2] for letter in letters) == Counter(
        {source: out.fates[source, "dead"] for source in SOURCES if out.fates[source, "dead"]}
    )
    assert sum(len(out.records[source]) for source in SOURCES) == len(lines)
    dead = {(letter.topic, letter.partition, letter.offset) for letter in letters}
    alive = {
        record.key.decode()
        for source in SOURCES
        for record in out.records[source]
        if (record.topic, record.partition, record.offset) not in dead
    }
    assert set(out.scores) == alive
    assert set().union(*out.view.values()) == alive
    assert out.view == {band: {a for a, r in out.scores.items() if r["band"] == band} for band in out.view}

    published = [decode_alert(record.value) for record in out.records["alerts"]]
    told = Counter((a.id, a.phase.value, str(a.revision)) for a in published if a.phase in NOTABLE)
    assert out.received == told
    assert set(told.values()) <= {1}
    assert out.delivered == {"sent": len(told), "quiet_phase": len(published) - len(told)}


SAASGUARD = "saasguard/events.ndjson.gz"


@pytest.mark.parametrize(
    ("name", "count"),
    [
        pytest.param("cloud_provider/events.ndjson.gz", None, id="dirty"),
        pytest.param("ibm_receivables/events.ndjson.gz", None, id="invoices", marks=pytest.mark.fault),
        pytest.param(SAASGUARD, 60_000, id="part of a thousand accounts", marks=pytest.mark.fault),
        pytest.param(SAASGUARD, None, id="a thousand accounts", marks=pytest.mark.fault),
    ],
)
async def test_whole(settings, tmp_path, name, count):
    """Every event of a data set has one fate, every account alive in it is in the view under its band, every alert is delivered once."""
    lines = lines_of(name, count)
    out = await through(settings, tmp_path, lines)
    assert_whole(out, lines)
    assert out.received, "no alert: nothing was delivered"
    if name.startswith("cloud_provider"):
        reasons = Counter(dead_letters.decode(r.value).reason for r in out.records["dead-letters"])
        assert reasons == {"invalid": 877 + 1_309 + 19, "out_of_range": 66 + 31}


@pytest.mark.fault  # minutes: its events are years old, and the clock goes through all of them
async def test_shapes_of_other_systems(settings, tmp_path):
    """Raw payloads of a payment system are dead letters, each with its reason; beside them real subscription periods give every customer its MRR and its end."""
    raw, events = raw_payloads(), account_events()
    out = await through(settings, tmp_path, raw + events)
    assert_whole(out, raw + events)
    assert sum(out.fates[source, "dead"] for source in SOURCES) == len(raw)
    reasons = {dead_letters.decode(record.value).reason for record in out.records["dead-letters"]}
    assert reasons <= {"unknown_type", "invalid", "malformed"}
    last = {customer: [p for p in told if p[0] <= CUT][-1:] for customer, told in periods().items()}
    running = {customer: p[0][2] * 100 for customer, p in last.items() if p and p[0][1] > CUT}
    over = {customer for customer, p in last.items() if p and p[0][1] <= CUT}
    assert min(len(running), len(over)) > 3
    assert {a: r["mrr"] for a, r in out.scores.items() if r["band"] != "ended"} == running
    assert out.view["ended"] == over


def test_placement():
    """The accounts of the data spread over all partitions, or a lost one would not show."""
    assert {partition_of(customer.encode(), 3) for customer in periods()} == {0, 1, 2}
