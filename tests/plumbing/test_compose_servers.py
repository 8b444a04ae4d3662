"""Kafka and Redis as docker-compose.yml configures them: its own commands and variables, with other ports and paths."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import redis
import yaml
from aiokafka.admin import AIOKafkaAdminClient

from streams.servers.kafka import java_command
from streams.servers.process import ServerProcess, ServerUnavailableError, free_port, listens
from streams.servers.redis import executable
from tests.servers import required

ROOT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
pytestmark = pytest.mark.servers


@pytest.fixture
def redis_like_compose(tmp_path):
    """The service's own command, with the port and the directories of this test; gives port and password."""
    port, password = free_port(), "s3cret with spaces"
    (tmp_path / "redis_password").write_text(password + "\n", "utf-8")
    (tmp_path / "data").mkdir()
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "redis-server").symlink_to(executable())
    client = shutil.which("redis-cli", path=f"{Path(executable()).parent}:{os.environ['PATH']}")
    (tools / "redis-cli").write_text(f'#!/bin/sh\nexec "{client}" -p {port} "$@"\n')
    (tools / "redis-cli").chmod(0o755)
    server = ServerProcess(
        ["/usr/bin/env", f"PATH={tools}:/usr/bin:/bin", *here(SERVICES["redis"]["command"], tmp_path, port)],
        tmp_path / "redis.log",
    )
    try:
        server.start(lambda: listens(port), timeout=10)
        yield server, port, password, tools
    finally:
        server.kill()


def here(words: list[str], directory: Path, port: int) -> list[str]:
    """As Compose hands it over (`$$` is `$`), for paths and a port of ours."""
    changes = {
        "$$": "$", "/tmp": str(directory), "/run/secrets": str(directory),
        "'dir /data'": f"'dir {directory}/data' 'port {port}' 'bind 127.0.0.1'",
    }  # fmt: skip
    for old, new in changes.items():
        words = [word.replace(old, new) for word in words]
    return words


def test_redis(redis_like_compose, tmp_path):
    """Redis as configured asks for the password of the file, shows it to nobody, evicts nothing, does without none, and its health check tells."""
    server, port, password, tools = redis_like_compose
    with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with redis.Redis(port=port, password=password) as client:
        assert client.ping()
        wanted = {"maxmemory-policy": "noeviction", "appendonly": "yes", "maxmemory": str(192 << 20)}
        assert {name: client.config_get(name)[name] for name in wanted} == wanted
    assert password not in Path(f"/proc/{server._process.pid}/cmdline").read_text()
    assert (tmp_path / "redis.conf").stat().st_mode & 0o077 == 0
    check = here(SERVICES["redis"]["healthcheck"]["test"], tmp_path, port)
    environment = {"PATH": f"{tools}:/usr/bin:/bin"}
    assert check[0] == "CMD-SHELL"
    assert subprocess.run(["sh", "-c", check[1]], env=environment, check=False).returncode == 0
    server.kill()
    (tmp_path / "redis_password").write_text("\n", "utf-8")
    with pytest.raises(ServerUnavailableError, match="is empty"):
        server.start(lambda: listens(port), timeout=10)
    assert subprocess.run(["sh", "-c", check[1]], env=environment, check=False, stderr=-3).returncode != 0


@pytest.fixture
def kafka_like_compose(tmp_path):
    """A node from the service's variables, by the program with which the official image turns them into a configuration."""
    ports = {str(port): str(free_port()) for port in (9092, 29092, 9093)}
    environment = {
        name: value.replace("${KAFKA_PORT:-29092}", "29092") for name, value in variables().items()
    }
    for old, new in ports.items():
        environment = {name: value.replace(f":{old}", f":{new}") for name, value in environment.items()}
    environment |= {"KAFKA_LOG_DIRS": str(tmp_path / "data")}
    environment["KAFKA_ADVERTISED_LISTENERS"] = environment["KAFKA_ADVERTISED_LISTENERS"].replace(
        "kafka:", "localhost:"
    )
    for name in ("default", "mounted", "final"):
        (tmp_path / name).mkdir()
    for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
        (tmp_path / "default" / name).write_text("")
    try:
        java = java_command(512)
    except ServerUnavailableError as error:
        (pytest.fail if required() else pytest.skip)(str(error))
    directories = [f"--{name}-configs-dir={tmp_path / name}" for name in ("default", "mounted", "final")]
    setup = [*java, "kafka.docker.KafkaDockerWrapper", "setup", *directories]
    done = subprocess.run(setup, env=environment, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    server = ServerProcess(
        [*java, "kafka.Kafka", str(tmp_path / "final/server.properties")], tmp_path / "kafka.log"
    )
    try:
        server.start(lambda: listens(int(ports["9092"])) and listens(int(ports["29092"])), timeout=60)
        yield ports
    finally:
        server.kill()


def variables() -> dict[str, str]:
    return SERVICES["kafka"]["environment"]


async def test_kafka(kafka_like_compose):
    """Kafka as configured comes up, answers inside and outside with the address for there, and makes no topic by itself."""
    for port in ("9092", "29092"):
        address = f"localhost:{kafka_like_compose[port]}"
        admin = AIOKafkaAdminClient(bootstrap_servers=address)
        await admin.start()
        try:
            [broker] = (await admin.describe_cluster())["brokers"]
            assert (broker["host"], broker["port"]) == ("localhost", int(kafka_like_compose[port]))
            await admin.describe_topics(["nobody.made.this"])
            await asyncio.sleep(0.5)
            assert "nobody.made.this" not in await admin.list_topics()
        finally:
            await admin.close()
