"""What `make up` starts: the Compose file, the image and the command lines, held against the program they run."""

import asyncio
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest
import typer
import yaml
from prometheus_client import CollectorRegistry

from streams.cli.main import COMMANDS, load
from streams.metrics import DEAD_REASONS
from streams.probes import ProbeServer, Readiness
from streams.settings import Settings
from tests.image import Dockerfile, ignored
from tests.servers import KAFKA_IMAGE
from tests.unit.test_docs import setting_names

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SLACK = yaml.safe_load((ROOT / "deploy/compose.slack.yml").read_text("utf-8"))
SERVICES = COMPOSE["services"]
ROLES = {name: service for name, service in SERVICES.items() if service["image"].startswith("accountpulse:")}
DOCKERFILE = Dockerfile.parse(ROOT / "deploy/Dockerfile")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
services = pytest.mark.parametrize("name", SERVICES)
roles = pytest.mark.parametrize("name", ROLES)


@pytest.mark.parametrize("document", [COMPOSE, SLACK], ids=["base", "slack"])
def test_compose_schema(document):
    """Both Compose files are valid by the JSON Schema of the Compose Specification."""
    schema = json.loads((ROOT / "tests/schemas/compose-spec.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)


def test_compose_schema_refuses():
    """The schema is a real one: a misspelt key of a service is refused."""
    schema = json.loads((ROOT / "tests/schemas/compose-spec.json").read_text("utf-8"))
    wrong = {"services": {"worker": {**SERVICES["worker"], "reed_only": True}}}
    with pytest.raises(jsonschema.ValidationError, match="reed_only"):
        jsonschema.Draft202012Validator(schema).validate(wrong)


@services
def test_hardened(name):
    """Every service runs as a named non-root user on a read-only file system, without capabilities or new privileges."""
    service = SERVICES[name]
    assert re.fullmatch(r"[1-9]\d*:\d+", service["user"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]


@services
def test_bounded(name):
    """Every service has limits of memory, processes and log, starts again, and an image pinned to a full version."""
    service = SERVICES[name]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["pids_limit"] > 0
    assert service["logging"]["options"]["max-size"]
    assert service["restart"].startswith(("unless-stopped", "on-failure:"))
    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+(-alpine)?", service["image"])


@services
def test_health(name):
    """Every service that stays has a health check, its own or the image's; who waits for one waits for its health."""
    service = SERVICES[name]
    check = service.get("healthcheck", {})
    if check.get("disable"):
        assert name in {"topics", "load"}  # ends by itself; serves nothing
    elif name in ROLES:
        assert not check, "the image's check is the one that is tested"
    else:
        assert check["test"][0] in {"CMD", "CMD-SHELL"}
        assert check["retries"] >= 1
    for other, needs in service.get("depends_on", {}).items():
        ends = "service_completed_successfully" if other == "topics" else "service_healthy"
        assert needs["condition"] == ends


@services
def test_secrets_are_files(name):
    """No password or token stands in an environment or a command; what names one names a file that the service is given."""
    service = SERVICES[name]
    given = {f"/run/secrets/{secret}" for secret in service.get("secrets", [])}
    environment = service.get("environment", {})
    secret = {k: v for k, v in environment.items() if re.search("PASSWORD|TOKEN|SECRET", k)}
    assert all(key.endswith("_FILE") and value in given for key, value in secret.items()), secret
    assert given <= set(re.findall(r"/run/secrets/\w+", json.dumps(service)))
    assert {s.rpartition("/")[2] for s in given} <= COMPOSE["secrets"].keys()


@services
def test_published_here_only(name):
    """What is published is published to this machine, and what is mounted from the repository is there and read-only."""
    service = SERVICES[name]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    for volume in service.get("volumes", []):
        source, _, target = volume.partition(":")
        if source.startswith("./"):
            assert (ROOT / source).is_dir(), source
            assert target.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]


@roles
def test_settings(name, monkeypatch, tmp_path):
    """Every ACCOUNTPULSE_* variable of a role is a setting, and together they make valid settings."""
    environment = dict(ROLES[name]["environment"])
    if name == "notifier":
        environment |= SLACK["services"]["notifier"]["environment"]
    assert set(environment) - setting_names(Settings.model_fields) == set()
    for secret in {v for v in environment.values() if v.startswith("/run/secrets/")}:
        (tmp_path / Path(secret).name).write_text(f"{Path(secret).name}-value\n", "utf-8")
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value.replace("/run/secrets", str(tmp_path)))
    settings = Settings()
    assert settings.kafka.bootstrap == "kafka:9092"
    if "redis_password" in ROLES[name].get("secrets", []):
        assert settings.redis.password.get_secret_value() == "redis_password-value"
    if name == "notifier":
        assert settings.sinks.slack.token.get_secret_value() == "slack_token-value"


@roles
def test_commands(name):
    """The command of every role is one of the program's, with options that it knows."""
    words = [re.sub(r"\$\{\w+:-(.*?)\}", r"\1", word) for word in ROLES[name]["command"]]
    assert words[0] in COMMANDS
    command = load(words[0])
    context = command.make_context(words[0], words[1:], resilient_parsing=False)
    if isinstance(command, typer.core.TyperGroup):
        assert command.get_command(context, words[1]) is not None


def test_who_uses_redis():
    """Exactly the roles that need Redis are given its password."""
    assert {name for name, service in ROLES.items() if "redis_password" in service.get("secrets", [])} == {
        "notifier",
        "view",
    }


def test_versions():
    """The image is tagged with the project's version, and Kafka is the one that the tests run on."""
    assert {service["image"] for service in ROLES.values()} == {f"accountpulse:{VERSION}"}
    assert DOCKERFILE.labels["org.opencontainers.image.version"] == VERSION
    assert SERVICES["kafka"]["image"] == KAFKA_IMAGE


def test_scraped():
    """Prometheus scrapes every role at the port where it serves its metrics."""
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
    found = {
        (name, dns["port"])
        for job in config["scrape_configs"]
        for dns in job["dns_sd_configs"]
        for name in dns["names"]
        if job["job_name"] == f"accountpulse-{name}"
    }
    port = Settings().probes.port
    assert found == {(name, port) for name in ROLES if name not in {"topics", "load"}}
    assert DOCKERFILE.final["EXPOSE"] == [str(port)]


def test_image_has_no_build_tools():
    """The final stage takes nothing but the environment from the builder, installs nothing, and ends as the roles' user."""
    assert DOCKERFILE.final["COPY"] == ["--from=builder /opt/accountpulse /opt/accountpulse"]
    [run] = DOCKERFILE.final["RUN"]
    assert not re.search("apt-get|pip install|uv ", run)
    assert DOCKERFILE.final["USER"] == [ROLES["worker"]["user"]]
    assert DOCKERFILE.bases[0] == DOCKERFILE.bases[1], (
        "the environment points at the interpreter it was made with"
    )
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", DOCKERFILE.bases[1])


def test_image_python():
    """The image's Python is one that the project supports."""
    minor = re.match(r"python:3\.(\d+)\.", DOCKERFILE.bases[1]).group(1)
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    assert int(minor) >= int(re.search(r"3\.(\d+)", needed).group(1))


def test_build_context():
    """Docker is sent what the image is built from and nothing else: no tests, no secrets, no environment of here."""
    sources = {word for copy in DOCKERFILE.builder_copies for word in copy[:-1]}
    assert all(not ignored(ROOT, source) for source in sources)
    for path in (
        "tests/conftest.py",
        ".venv",
        ".git",
        "deploy/secrets/redis_password",
        "streams/x/__pycache__",
    ):
        assert ignored(ROOT, path), path


@pytest.mark.parametrize(("ready", "code"), [(True, 0), (False, 1)])
async def test_health_check_of_the_image(ready, code):
    """The image's health check passes if /ready says so, and fails if it does not."""
    server = ProbeServer(lambda: Readiness(ready=ready), CollectorRegistry())
    await server.start("127.0.0.1", 0)
    words = [word.replace("9108", str(server.port)) for word in DOCKERFILE.health_check]
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, *words[1:]], capture_output=True, check=False
    )
    await server.close()
    assert (words[0], done.returncode) == ("python", code)


def test_no_engine():
    """`make up` and `make down` without a container engine say so in one line and fail."""
    for target in ("up", "down"):
        done = subprocess.run(
            ["make", "--no-print-directory", target, "COMPOSE=false"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode
        assert done.stderr.splitlines()[0].startswith("make: needs 'false'")


def test_dead_letter_reasons():
    """The reasons that the metrics serve from the start are those of the specification."""
    text = (ROOT / "docs/semantics.md").read_text("utf-8")
    rule = text[text.index("1. A record is rejected") : text.index("A tombstone")]
    assert set(DEAD_REASONS) == set(re.findall(r"`([a-z_]+)`", rule)) - {"account_id", "ts"}
