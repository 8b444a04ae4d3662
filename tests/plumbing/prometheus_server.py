"""A real Prometheus and its tools, from PATH (Debian: prometheus, prometheus-alertmanager)."""

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.servers.process import ServerProcess, free_port
from tests.servers import required

DEPLOY = Path(__file__).parents[2] / "deploy"


def tool(name: str) -> str:
    """The path of prometheus, promtool or amtool; without it the test fails in CI and is skipped elsewhere."""
    if found := shutil.which(name):
        return found
    message = f"{name} is not on PATH: apt-get install prometheus prometheus-alertmanager"
    if required():
        pytest.fail(f"ACCOUNTPULSE_REQUIRE_SERVERS=1, but {message}", pytrace=False)
    pytest.skip(message)


def checked(*words: str) -> str:
    """Runs a tool that has to succeed; returns what it printed."""
    done = subprocess.run(
        [tool(words[0]), *words[1:]], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


class PrometheusServer:
    """Scrapes the given ports by job, once a second, otherwise as deploy/prometheus/prometheus.yml says."""

    def __init__(self, directory: Path, targets: dict[str, list[int]]) -> None:
        config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text("utf-8"))
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(DEPLOY / "prometheus" / path) for path in config["rule_files"]]
        del config["alerting"]
        for job in config["scrape_configs"]:
            del job["dns_sd_configs"]
            job["static_configs"] = [{"targets": [f"127.0.0.1:{port}" for port in targets[job["job_name"]]]}]
        file, self._port = directory / "prometheus.yml", free_port()
        file.write_text(yaml.safe_dump(config), "utf-8")
        command = [
            tool("prometheus"), f"--config.file={file}", f"--storage.tsdb.path={directory / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]  # fmt: skip
        self.process = ServerProcess(command, directory / "prometheus.log")

    def start(self) -> None:
        self.process.start(self._ready, timeout=30)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def ask(self, path: str, **arguments: object) -> Any:
        """`data` of an answer of the API. Fails with Prometheus's own words if the query is refused."""
        query = urllib.parse.urlencode(arguments)
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self._port}/api/v1/{path}?{query}", timeout=10
            ) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            pytest.fail(f"{arguments}: {error.read().decode()}")
