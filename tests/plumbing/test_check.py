"""`accountpulse check` against real servers, and without them."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from streams import topics
from streams.cli.main import app
from streams.servers.process import free_port
from streams.settings import Kafka, Settings

SECRET_URL = "https://user:pa55word@{address}/T0KEN"


@pytest.fixture
def configure(monkeypatch):
    """Sets environment variables by their names without prefix."""

    def apply(**values) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"ACCOUNTPULSE_{name}", str(value))

    return apply


@pytest.fixture
def healthy(configure, kafka, redis_server, topic_prefix):
    """Servers that answer, and topics as they should be."""
    kafka_settings = Kafka(bootstrap=kafka.bootstrap, partitions=2)
    asyncio.run(topics.create(Settings(topic_prefix=topic_prefix, kafka=kafka_settings)))
    configure(
        TOPIC_PREFIX=topic_prefix,
        KAFKA__BOOTSTRAP=kafka.bootstrap,
        KAFKA__PARTITIONS=2,
        REDIS__URL=redis_server.url,
        PROBES__PORT=0,
    )
    return configure


def run() -> tuple[int, dict[str, dict[str, str]], str]:
    """Exit code, the worst result of each area, all output."""
    result = CliRunner().invoke(app, ["check", "--json"])
    worst: dict[str, dict[str, str]] = {}
    order = ["ok", "note", "warning", "error", "environment"]
    for entry in json.loads(result.stdout)["results"]:
        known = worst.get(entry["area"])
        if known is None or order.index(entry["status"]) > order.index(known["status"]):
            worst[entry["area"]] = entry
    return result.exit_code, worst, result.output


def test_all_is_well(healthy, redis_server):
    """With everything in place it exits 0, sends nothing, and explains the partitioner."""
    address = redis_server.url.removeprefix("redis://").split("/")[0]  # something that listens
    healthy(SINKS__WEBHOOK__URL=SECRET_URL.format(address=address), SINKS__WEBHOOK__SECRET="s3cret")
    code, areas, output = run()
    assert code == 0, output
    assert {area: entry["status"] for area, entry in areas.items()} == {
        "configuration": "ok",
        "partitioner": "note",
        "kafka": "ok",
        "rights": "ok",
        "topics": "ok",
        "redis": "ok",
        "state": "ok",
        "sinks": "ok",
        "probes": "ok",
    }
    assert "murmur2_random" in areas["partitioner"]["way_out"]
    assert not any(word in output for word in ("pa55word", "T0KEN", "s3cret"))


def test_every_fault_in_one_run(configure, tmp_path):
    """Brokers, topics, Redis, webhook, routes, probes and files at fault are told at once, each with a way out; exit 3."""
    port = free_port()
    routes = tmp_path / "routes.yaml"
    routes.write_text("route: {receiver: nobody}")
    configure(
        KAFKA__BOOTSTRAP=f"127.0.0.1:{port}",
        KAFKA__REQUEST_TIMEOUT=2,
        REDIS__URL=f"redis://:pa55word@127.0.0.1:{port}/0",
        SINKS__WEBHOOK__URL=SECRET_URL.format(address=f"127.0.0.1:{port}"),
        SINKS__WEBHOOK__SECRET="s3cret",
        SINKS__LOG_DAYS=2,
        SINKS__ROUTES=routes,
        ENGINE__MODEL="/no/such/model.yaml",
        ENGINE__TICK_LOG="/no/such/folder/ticks.ndjson",
        PROBES__HOST="192.0.2.1",
    )
    code, areas, output = run()
    assert code == 3
    assert {area: entry["status"] for area, entry in areas.items()} == {
        "configuration": "error",
        "partitioner": "note",
        "kafka": "environment",
        "rights": "environment",
        "topics": "environment",
        "redis": "environment",
        "state": "environment",
        "sinks": "environment",
        "routes": "error",
        "probes": "error",
    }
    assert all(entry["way_out"] for entry in areas.values())
    assert all(words in output for words in ("/no/such/model.yaml", "/no/such/folder/ticks.ndjson"))
    assert "alerts that are read again are sent again" in output
    assert not any(word in output for word in ("pa55word", "T0KEN", "s3cret"))


def test_missing_topics_are_a_finding(healthy):
    """What the product itself can put right is a finding: exit 1 and the command that does it."""
    healthy(TOPIC_PREFIX="absent.")
    code, areas, _ = run()
    assert code == 1
    assert areas["topics"]["status"] == "error"
    assert "accountpulse topics create" in areas["topics"]["way_out"]


def test_configuration_faults(configure):
    """Every wrong setting is named with its variable, and no value is shown."""
    configure(KAFKA__PARTITIONS=0, REDIS__PASSWORT="pa55word", ENGINE__TICK=7)
    code, _, output = run()
    assert code == 3
    results = json.loads(output)["results"]
    assert {result["way_out"].split()[1] for result in results} >= {
        "ACCOUNTPULSE_KAFKA__PARTITIONS",
        "ACCOUNTPULSE_REDIS__PASSWORT",
        "ACCOUNTPULSE_ENGINE",
    }
    assert "pa55word" not in output


def test_words_for_people(configure):
    """Without --json every result is a line that can be copied whole."""
    configure(KAFKA__PARTITIONS=0)
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == 3
    assert "-> correct ACCOUNTPULSE_KAFKA__PARTITIONS" in result.stdout
