"""Rejected records can be found again, with place and reason, and too many of them stop the worker."""

import json

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from streams.brake import Brake
from streams.cli.main import app
from streams.dead_letters import MAX_VALUE_BYTES, DeadLetter, decode, encode
from streams.own_records import TERM_KEY
from streams.settings import Kafka, Settings
from streams.topics import create
from tests.servers import KafkaAddress


def _letter(number: int = 0, *, reason: str = "malformed", value: bytes | None = b"{") -> DeadLetter:
    return DeadLetter.of(
        topic="usage", partition=1, offset=number, timestamp=1_700_000_000_000 + number,
        reason=reason, detail="not JSON", key=b"a", value=value,
    )  # fmt: skip


@given(
    key=st.none() | st.binary(max_size=20),
    value=st.none() | st.binary(max_size=60) | st.text().map(str.encode),
)
def test_any_record_survives_the_round_trip(key: bytes | None, value: bytes | None):
    """Whatever the bytes of the record, the letter decodes to itself and tells its value without loss."""
    letter = DeadLetter.of(topic="t", partition=0, offset=1, timestamp=2, reason="r", key=key, value=value)
    assert decode(encode(letter)) == letter
    if letter.encoding == "base64":
        assert msgspec.convert(letter.value, bytes) == value
    else:
        assert (letter.value and letter.value.encode()) == (value or letter.value)


def test_long_values_are_cut_between_characters():
    """A long text stays text although the cut goes through a character, and says that it was cut."""
    letter = _letter(value=b"x" + "ü".encode() * MAX_VALUE_BYTES)
    assert (letter.encoding, letter.truncated) == ("utf-8", True)
    assert letter.value == "x" + "ü" * ((MAX_VALUE_BYTES - 1) // 2)


def test_brake_trips_on_a_bad_stretch_and_not_on_a_bad_start():
    """More than half of the last 100 dead trips it; the first 50 dead records, or a bad past, do not."""
    brake = Brake(share=0.5, window=100)
    brake.add(50, 50)
    assert not brake.tripped
    brake.add(1, 1)
    assert brake.tripped
    brake.add(49, 0)
    assert brake.tripped
    for _ in range(10):
        brake.add(10, 0)
    assert not brake.tripped
    brake.add(1000, 501)
    assert brake.tripped


@given(blocks=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30))), window=st.integers(1, 50))
def test_brake_keeps_just_the_blocks_that_cover_its_window(blocks: list[tuple[int, int]], window: int):
    """The brake agrees with a recount over the fewest newest blocks that hold a whole window."""
    brake = Brake(share=0.5, window=window)
    for number in range(len(blocks)):
        brake.add(*blocks[number])
        seen = dead = 0
        for records, died in reversed(blocks[: number + 1]):
            seen, dead = seen + records, dead + died
            if seen >= window:
                break
        assert brake.tripped == (dead > 0.5 * max(seen, window))


@pytest.fixture
async def env(kafka: KafkaAddress, topic_prefix: str) -> dict[str, str]:
    """Settings of a cluster with five dead letters, one of them unreadable."""
    await create(Settings(topic_prefix=topic_prefix, kafka=Kafka(bootstrap=kafka.bootstrap, partitions=3)))
    letters = [
        _letter(0),
        _letter(1, reason="future"),
        _letter(2, value=b"\xff"),
        _letter(3, value=b"\x1b[31m"),
    ]
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        for number, letter in enumerate(letters):
            await producer.send_and_wait(f"{topic_prefix}dead-letters", encode(letter), partition=number % 3)
        await producer.send_and_wait(f"{topic_prefix}dead-letters", b"?", partition=0)
        await producer.send_and_wait(f"{topic_prefix}dead-letters", b"0", key=TERM_KEY, partition=0)
    return {"ACCOUNTPULSE_KAFKA__BOOTSTRAP": kafka.bootstrap, "ACCOUNTPULSE_TOPIC_PREFIX": topic_prefix}


def test_list_shows_all_newest_last(env: dict[str, str]):
    """All partitions are read from the beginning, in order of time; unreadable letters are shown, terms of the fence are not."""
    done = CliRunner().invoke(app, ["dead-letters", "list", "--json"], env=env)
    assert done.exit_code == 0
    letters = json.loads(done.stdout)
    assert [letter["offset"] for letter in letters[:4]] == [0, 1, 2, 3]
    assert letters[0] == {
        "topic": "usage", "partition": 1, "offset": 0, "timestamp": 1_700_000_000_000,
        "reason": "malformed", "detail": "not JSON", "key": "a", "value": "{",
    }  # fmt: skip
    assert letters[2]["encoding"] == "base64"
    assert len(letters) == 5
    assert letters[4]["reason"] == "unreadable_dead_letter"


def test_list_can_be_narrowed(env: dict[str, str]):
    """--reason keeps one reason, --limit the newest."""
    by_reason = CliRunner().invoke(app, ["dead-letters", "list", "--reason", "future", "--json"], env=env)
    assert [letter["offset"] for letter in json.loads(by_reason.stdout)] == [1]
    newest = CliRunner().invoke(
        app, ["dead-letters", "list", "--reason", "malformed", "--limit", "1", "--json"], env=env
    )
    assert [letter["offset"] for letter in json.loads(newest.stdout)] == [3]


def test_table_cannot_steer_the_terminal(env: dict[str, str]):
    """Control characters of a rejected record are shown, not sent to the terminal."""
    done = CliRunner().invoke(app, ["dead-letters", "list"], env=env | {"COLUMNS": "200"})
    assert "\x1b[31m" not in done.stdout
    assert r"\x1b[31m" in done.stdout
    assert "2023-11-14T22:13:20.000+00:00" in done.stdout
