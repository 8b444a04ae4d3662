"""Files reach the input topics: in order per account, placed as Java producers would place it."""

import gzip
import json
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from typer.testing import CliRunner

from scoring.events import SOURCES
from streams.cli.main import app
from streams.cli.produce import SOURCE_OF_TYPE
from streams.partitioner import partition_of
from streams.settings import Kafka, Settings
from streams.topics import create
from tests.servers import KafkaAddress

PARTITIONS = 3


async def _topics(kafka: KafkaAddress, prefix: str) -> dict[str, str]:
    settings = Settings(topic_prefix=prefix, kafka=Kafka(bootstrap=kafka.bootstrap, partitions=PARTITIONS))
    await create(settings)
    return {"ACCOUNTPULSE_KAFKA__BOOTSTRAP": kafka.bootstrap, "ACCOUNTPULSE_TOPIC_PREFIX": prefix}


async def _read(kafka: KafkaAddress, prefix: str) -> dict[str, list]:
    """All records by source."""
    found: dict[str, list] = defaultdict(list)
    async with AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest") as consumer:
        partitions = [TopicPartition(prefix + source, n) for source in SOURCES for n in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        while sum(map(len, found.values())) < sum(ends.values()):
            for where, records in (await consumer.getmany(timeout_ms=200)).items():
                found[where.topic.removeprefix(prefix)] += records
    return found


def _event(number: int, kind: str, account: str) -> bytes:
    return json.dumps({"type": kind, "event_id": str(number), "account_id": account}).encode()


def _run(env: dict[str, str], *words: str, **more) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "streams.cli.main", "produce", *words]
    return subprocess.run(command, env=env, capture_output=True, timeout=60, check=False, **more)


async def test_every_event_lands_on_its_topic_in_order(
    kafka: KafkaAddress, topic_prefix: str, tmp_path: Path
):
    """Each type goes to its topic, key and murmur2 partition are the account's, order per account is kept."""
    env = await _topics(kafka, topic_prefix)
    kinds = list(SOURCE_OF_TYPE)
    lines = [_event(n, kinds[n % len(kinds)], f"account-{n % 7}-ü") for n in range(3000)]
    plain, zipped = tmp_path / "a.ndjson", tmp_path / "b.ndjson.gz"
    plain.write_bytes(b"\n".join(lines[:1500]) + b"\n\n")
    zipped.write_bytes(gzip.compress(b"\r\n".join(lines[1500:])))
    done = _run(env, str(plain), str(zipped), "--json")
    assert done.returncode == 0, done.stderr
    assert sum(json.loads(done.stdout)["sent"].values()) == 3000

    found = await _read(kafka, topic_prefix)
    order: dict[tuple[str, str], list[int]] = defaultdict(list)
    for source, records in found.items():
        for record in records:
            event = json.loads(record.value)
            assert SOURCE_OF_TYPE[event["type"]] == source
            assert record.key == event["account_id"].encode()
            assert record.partition == partition_of(record.key, PARTITIONS)
            order[source, event["account_id"]].append(int(event["event_id"]))
    assert sorted(n for numbers in order.values() for n in numbers) == list(range(3000))
    assert all(numbers == sorted(numbers) for numbers in order.values())


async def test_lines_without_account_are_reported_and_the_rest_is_sent(
    kafka: KafkaAddress, topic_prefix: str
):
    """What has an account is sent as it is, even if undecodable; what has none is named and exits 1."""
    env = await _topics(kafka, topic_prefix)
    odd = [b'{"account_id":"a","type":7}', b'{"account_id":"a","type":"horoscope"}', b'{"account_id":"a"}']
    bad = [b"not json", b'{"type":"usage"}', b'{"account_id":"a","pad":"' + b"x" * (1 << 20) + b'"}']
    done = _run(env, "-", "--json", input=b"\n".join([*odd, *bad]))
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "sent": {f"{topic_prefix}usage": 3},
        "skipped": {"no account_id": 2, "too large": 1},
    }
    assert [f"-:{number}:" in done.stderr.decode() for number in range(1, 7)] == [False] * 3 + [True] * 3
    found = await _read(kafka, topic_prefix)
    assert [record.value for record in found["usage"]] == odd


async def test_rate_is_kept(kafka: KafkaAddress, topic_prefix: str, tmp_path: Path):
    """--rate spreads the events over time."""
    env = await _topics(kafka, topic_prefix)
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"\n".join(_event(n, "usage", "a") for n in range(100)))
    started = time.monotonic()
    assert _run(env, str(path), "--rate", "100").returncode == 0
    assert time.monotonic() - started >= 0.99


async def test_pipe_is_not_held_back(kafka: KafkaAddress, topic_prefix: str):
    """A line from a live pipe reaches its topic while the pipe stays open."""
    env = await _topics(kafka, topic_prefix)
    command = [sys.executable, "-m", "streams.cli.main", "produce", "-"]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        process.stdin.write(_event(1, "usage", "a") + b"\n")
        process.stdin.flush()
        deadline = time.monotonic() + 20
        while not (await _read(kafka, topic_prefix))["usage"]:
            assert time.monotonic() < deadline
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(20) == 0


async def test_truncated_file_is_one_line_and_exit_3(kafka: KafkaAddress, topic_prefix: str, tmp_path: Path):
    """A .gz that ends too early is an environment fault, not a traceback."""
    env = await _topics(kafka, topic_prefix)
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress(_event(1, "usage", "a") * 1000)[:-20])
    done = _run(env, str(path))
    assert (done.returncode, done.stderr.count(b"\n")) == (3, 1)


def test_missing_topics_are_named(kafka: KafkaAddress, topic_prefix: str, tmp_path: Path):
    """Without topics nothing is sent, and the error names them and the command that makes them."""
    path = tmp_path / "a.ndjson"
    path.write_bytes(_event(1, "usage", "a"))
    done = _run(
        {"ACCOUNTPULSE_KAFKA__BOOTSTRAP": kafka.bootstrap, "ACCOUNTPULSE_TOPIC_PREFIX": topic_prefix},
        str(path),
    )
    assert done.returncode == 3
    assert f"{topic_prefix}usage" in done.stderr.decode()
    assert "accountpulse topics create" in done.stderr.decode()


def test_missing_file_is_wrong_usage():
    """A file that is not there exits 2 before anything is sent."""
    assert CliRunner().invoke(app, ["produce", "no/such/file.ndjson"]).exit_code == 2
