"""Topics are made as planned, and a worker learns what is wrong with them before it starts."""

import json
import subprocess
import sys

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from typer.testing import CliRunner

from scoring.events import SOURCES
from streams.cli.main import COMMANDS, app
from streams.kafka_clients import client_arguments
from streams.settings import Kafka, Sasl, Settings, Tls
from streams.topics import Level, Problem, check, create, partition_counts, topic_specs
from tests.servers import KafkaAddress

OUTPUTS = ("state", "scores", "alerts", "dead-letters")


def _settings(kafka: KafkaAddress, prefix: str, **more) -> Settings:
    return Settings(
        topic_prefix=prefix, kafka=Kafka(**{"bootstrap": kafka.bootstrap, "partitions": 3, **more})
    )


async def _make(kafka: KafkaAddress, *topics: NewTopic) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    response = (await admin.create_topics(list(topics))).to_object()
    await admin.close()
    assert not any(entry["error_code"] for entry in response["topic_errors"])


def test_plan_holds_all_topics_with_one_partition_count():
    """Six inputs by arrival time, a compacted state, and the outputs, all with the same partition count."""
    specs = {spec.name: spec for spec in topic_specs(Settings(topic_prefix="p."))}
    assert list(specs) == [f"p.{name}" for name in (*SOURCES, *OUTPUTS)]
    assert len({spec.partitions for spec in specs.values()}) == 1
    assert all(specs[f"p.{source}"].config["message.timestamp.type"] == "LogAppendTime" for source in SOURCES)
    assert specs["p.state"].config["cleanup.policy"] == "compact"


async def test_created_topics_pass_the_check_and_creating_again_changes_nothing(
    kafka: KafkaAddress, topic_prefix: str
):
    """What `create` makes, `check` accepts; a second `create` makes nothing."""
    settings = _settings(kafka, topic_prefix)
    assert {finding.problem for finding in await check(settings)} == {Problem.MISSING}
    assert await create(settings) == [spec.name for spec in topic_specs(settings)]
    assert await check(settings) == []
    assert await create(settings) == []
    assert set((await partition_counts(settings)).values()) == {3}


async def test_every_wrong_topic_is_named_with_a_way_out(kafka: KafkaAddress, topic_prefix: str):
    """A deleted changelog, compacted alerts, a foreign partition count, producers' times and few replicas are each found."""
    settings = _settings(kafka, topic_prefix)
    await _make(
        kafka,
        NewTopic(f"{topic_prefix}usage", 2, 1),
        NewTopic(f"{topic_prefix}state", 3, 1, topic_configs={"cleanup.policy": "compact,delete"}),
        NewTopic(f"{topic_prefix}scores", 3, 1),
        NewTopic(f"{topic_prefix}alerts", 3, 1, topic_configs={"cleanup.policy": "compact"}),
        NewTopic(f"{topic_prefix}dead-letters", 3, 1),
    )
    await create(settings)
    found = await check(settings)
    findings = {finding.problem: finding for finding in found}
    assert set(findings) == {
        Problem.UNEQUAL_PARTITIONS,
        Problem.COMPACTED,
        Problem.STATE_DELETED,
        Problem.SMALL_ROWS,
        Problem.SCORES_DELETED,
        Problem.CREATE_TIME,
    }
    unequal = findings[Problem.UNEQUAL_PARTITIONS]
    assert unequal.topic == f"{topic_prefix}usage"
    assert unequal.text == f"2 partitions, but {topic_prefix}tickets has 3"
    assert (findings[Problem.COMPACTED].topic, findings[Problem.COMPACTED].level) == (
        f"{topic_prefix}alerts",
        Level.ERROR,
    )
    assert findings[Problem.STATE_DELETED].level is Level.ERROR
    assert findings[Problem.SMALL_ROWS].level is Level.ERROR
    assert "max.message.bytes=8388608" in findings[Problem.SMALL_ROWS].way_out
    times = {finding.topic: finding for finding in found if finding.problem is Problem.CREATE_TIME}
    assert times.keys() == {f"{topic_prefix}usage", f"{topic_prefix}dead-letters"}
    assert "its clock is wrong" in times[f"{topic_prefix}dead-letters"].text
    assert all(finding.level is Level.WARNING for finding in times.values())
    assert all(finding.way_out for finding in findings.values())

    few = await check(_settings(kafka, topic_prefix, replication_factor=3))
    assert [finding.problem for finding in few].count(Problem.FEW_REPLICAS) == len(SOURCES) + len(OUTPUTS)


async def test_count_of_the_settings(kafka: KafkaAddress, topic_prefix: str):
    """Topics with one count are wrong for settings with another: half of the keys would be rejected as misplaced."""
    await create(_settings(kafka, topic_prefix))
    [finding] = await check(_settings(kafka, topic_prefix, partitions=6))
    assert (finding.level, finding.problem) == (Level.ERROR, Problem.OTHER_PARTITIONS)
    assert (finding.text, finding.way_out) == (
        "3 partitions, but the setting says 6", "ACCOUNTPULSE_KAFKA__PARTITIONS=3"
    )  # fmt: skip


def test_commands_create_and_check(kafka: KafkaAddress, topic_prefix: str):
    """`topics check` exits 1 before and 0 after `topics create`, with the findings as JSON."""
    env = {"ACCOUNTPULSE_KAFKA__BOOTSTRAP": kafka.bootstrap, "ACCOUNTPULSE_TOPIC_PREFIX": topic_prefix}
    before = CliRunner().invoke(app, ["topics", "check", "--json"], env=env)
    assert before.exit_code == 1
    assert {finding["problem"] for finding in json.loads(before.stdout)} == {"missing"}
    created = CliRunner().invoke(app, ["topics", "create", "--json"], env=env)
    assert {row["result"] for row in json.loads(created.stdout)} == {"created"}
    after = CliRunner().invoke(app, ["topics", "check"], env=env)
    assert (after.exit_code, after.stdout) == (0, "all topics are as they should be\n")


def _command_line(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "streams.cli.main", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_unreachable_broker_is_one_line_and_exit_3():
    """Without a broker a command says so in one line, without a traceback, and exits 3."""
    done = _command_line("topics", "check", ACCOUNTPULSE_KAFKA__BOOTSTRAP="127.0.0.1:1")
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "127.0.0.1" in done.stderr


def test_wrong_settings_are_named_without_their_values():
    """A configuration fault exits 3 and names the field; no value is shown, as it may be a secret."""
    done = _command_line("topics", "plan", ACCOUNTPULSE_KAFKA__SASL='{"password": "hunter2", "user": "x"}')
    assert done.returncode == 3
    assert "kafka.sasl.username" in done.stderr
    assert "hunter2" not in done.stderr


def test_help_lists_every_command_without_importing_them():
    """`--help` names all commands, and importing the command line loads no Kafka client."""
    listing = CliRunner().invoke(app, ["--help"])
    assert all(name in listing.stdout for name in COMMANDS)
    script = (
        "import sys, streams.cli.main; print(sorted({'aiokafka', 'numpy', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_wrong_usage_exits_2():
    """An unknown command is wrong usage."""
    assert CliRunner().invoke(app, ["topicz"]).exit_code == 2


@pytest.mark.parametrize(
    ("kafka", "protocol"),
    [
        (Kafka(), "PLAINTEXT"),
        (Kafka(tls=Tls(enabled=True)), "SSL"),
        (Kafka(sasl=Sasl(username="u", password="s3cret")), "SASL_PLAINTEXT"),
        (Kafka(tls=Tls(enabled=True), sasl=Sasl(username="u", password="s3cret")), "SASL_SSL"),
    ],
)
def test_clients_get_the_security_of_the_settings(kafka: Kafka, protocol: str):
    """TLS and SASL of the settings reach every Kafka client."""
    arguments = client_arguments(kafka)
    assert arguments["security_protocol"] == protocol
    assert (arguments["ssl_context"] is not None) == kafka.tls.enabled
    assert arguments.get("sasl_plain_password") == ("s3cret" if kafka.sasl else None)
