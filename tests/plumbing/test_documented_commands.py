"""The commands of the documentation that need servers, typed as they stand, on a real Kafka and a real Redis."""

import json

import pytest

from scoring.times import iso
from streams.clock import wall_ms
from tests import documented
from tests.plumbing.roles import ended, environment_of, is_ready, role, total, typed
from tests.plumbing.view_world import catch_up, publish, score_record
from tests.plumbing.worker_group import until

COMMANDS = documented.of_the_program()
EURO = {"currency": "EUR", "owner": "ann"}
pytestmark = pytest.mark.timeout(240)


def words(text: str) -> list[str]:
    return COMMANDS[text].words


def events() -> bytes:
    """A month of use, a complaint of today, and what is no event."""
    now = wall_ms()
    lines = [
        {"type": "usage", "event_id": f"e{n}", "account_id": "acct-0001", "ts": iso(now - n * 86_400_000)}
        for n in reversed(range(1, 31))
    ]
    ticket = {"type": "ticket", "action": "opened", "ticket_id": "T-1", "complaint": True}
    lines += [ticket | {"event_id": "t1", "account_id": "acct-0001", "ts": iso(now - 1000)}]
    lines += [{"type": "nonsense", "account_id": "acct-0001"}]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


async def test_from_topics_to_dead_letters(settings, tmp_path):
    """Typed one after the other, the commands of README, operations and deploy make topics, take events, score, deliver and tell what was rejected."""
    settings = settings.model_copy(update={"topic_prefix": f"typed.{settings.topic_prefix}"})
    longer_than_time = 10**6  # a new sink begins so many hours back
    environment = environment_of(
        settings, SINKS__STDOUT="true", ENGINE__IDLE="0.3", ENGINE__COLD_START_HOURS=longer_than_time
    )
    (tmp_path / "events.ndjson").write_bytes(events())
    left = set(documented.WITH_SERVERS)

    def answer(text: str) -> str:
        left.remove(text)
        done = typed(words(text), environment, tmp_path)
        assert done.returncode == 0, (text, done.stdout, done.stderr)
        return done.stdout

    assert answer("accountpulse topics create").count("created") == 10
    answer("accountpulse topics check")
    assert "all topics are as they should be" in answer("accountpulse check")
    assert {"31", "1"} <= set(answer("accountpulse produce events.ndjson").split())
    with role(words("accountpulse worker"), environment, tmp_path) as worker:
        await until(lambda: total(worker, "accountpulse_events_total") == 32, 60, worker.log.read_text)
        assert total(worker, "accountpulse_events_total", fate="applied") == 31
        assert await ended(worker) == 0, worker.log.read_text()
    with role(words("accountpulse notifier"), environment, tmp_path) as notifier:
        await until(lambda: b"complaint" in notifier.log.read_bytes(), 60, notifier.log.read_text)
        assert await ended(notifier) == 0, notifier.log.read_text()
    rejected = typed([*words("accountpulse dead-letters list"), "--json"], environment, tmp_path)
    assert [letter["reason"] for letter in json.loads(rejected.stdout)] == ["unknown_type"]
    assert "usage" in answer("accountpulse dead-letters list")
    assert left == {"accountpulse worker", "accountpulse notifier"}


async def test_view(settings, tmp_path):
    """Each command of docs/view.md as it stands: the role fills, follows and rebuilds, the lists are those of the records published."""
    environment = environment_of(settings)
    records = [
        score_record("acct-0001", score=10.0, band="red", mrr=9_000, mrr_at_risk=8_100, attributes=EURO),
        score_record("a-2", score=5.0, band="red", mrr=9_000, mrr_at_risk=8_550, attributes=EURO),
        score_record("a-3", score=30.0, band="red", mrr=99, mrr_at_risk=70, attributes={"currency": "USD"}),
        score_record("a-4", score=90.0, band="green", mrr=10_000, mrr_at_risk=1_000, attributes=EURO),
    ]
    await publish(settings, records)

    def answer(text: str) -> list[str]:
        done = typed(words(text), environment, tmp_path)
        assert done.returncode == 0, (text, done.stdout, done.stderr)
        return done.stdout.splitlines()

    def first_words(text: str) -> list[str]:
        return [line.split()[0] for line in answer(text)]

    assert answer("accountpulse view --once") == []
    assert first_words("accountpulse accounts") == ["account", "a-2", "acct-0001", "a-3", "a-4", "1-4"]
    assert first_words("accountpulse accounts --band red") == ["account", "a-2", "acct-0001", "a-3", "1-3"]
    at_risk = answer("accountpulse accounts --band red --by mrr_at_risk")
    assert [line.split()[0] for line in at_risk] == ["account", "a-2", "acct-0001", "1-2", "other"]
    assert ["85.50 EUR" in at_risk[1], "81.00 EUR" in at_risk[2], "USD (1)" in at_risk[4]] == [True] * 3
    assert any("score 10.0, red" in line for line in answer("accountpulse explain ACCOUNT"))

    for text, rebuilt in (("accountpulse view", 0), ("accountpulse view --rebuild", 1)):
        with role(words(text), environment, tmp_path) as view:
            await until(lambda view=view: is_ready(view), 60, view.log.read_text)
            name = "accountpulse_view_generation_rebuilds_total"
            assert total(view, name, reason="requested") == rebuilt
            assert await ended(view) == 0, view.log.read_text()
    await catch_up(settings)
    assert len(answer("accountpulse accounts")) == 6
