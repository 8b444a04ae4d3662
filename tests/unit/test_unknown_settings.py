"""A mistyped name of a setting is told, what others put into the environment is not."""

import os
import subprocess
import sys

import pytest

from streams.settings import PREFIX, Settings
from streams.unknown_settings import warnings
from tests.unit.test_docs import setting_names


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("ACCOUNTPULSE_KAFKA_BOOTSTRAP", "ACCOUNTPULSE_KAFKA__BOOTSTRAP"),
        ("ACCOUNTPULSE_LOGLEVEL", "ACCOUNTPULSE_LOG_LEVEL"),
        ("ACCOUNTPULSE_ENGIN__TICK", "ACCOUNTPULSE_ENGINE__TICK"),
    ],
)
def test_nearest_is_named(name, near):
    """The warning names the variable and the setting that was meant."""
    assert warnings([name, "PATH"]) == [f"{name} is no setting and changes nothing; did you mean {near}?"]


def test_others_are_left_alone():
    """Settings, the file, switches of tests and variables of Kubernetes services are no reason to warn."""
    others = [
        "CONFIG",
        "TEST_SEED",
        "REQUIRE_SERVERS",
        "PORT",
        "REDIS_PORT",
        "REDIS_SERVICE_HOST",
        "VIEW_PORT_9108_TCP_ADDR",
    ]
    assert warnings([*setting_names(Settings.model_fields), *(PREFIX + other for other in others)]) == []


def test_commands_say_it():
    """A command tells it on stderr, once, and runs all the same."""
    environment = os.environ | {"ACCOUNTPULSE_KAFKA_BOOTSTRAP": "pa55word:1"}
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli.main", "topics", "plan"],
        env=environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stderr.count("ACCOUNTPULSE_KAFKA_BOOTSTRAP is no setting") == 1
    assert "pa55word" not in done.stderr + done.stdout
