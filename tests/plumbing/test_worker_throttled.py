"""A worker that Kafka holds back by quotas: it is slower, tells so, and takes nothing for read that is not."""

import asyncio
import subprocess
import time

import pytest

from streams.servers.kafka import java_command
from tests.plumbing.counting_run import Run, counting_run
from tests.plumbing.worker_group import Child, until


def alter(run: Run, *change: str) -> None:
    """Change quotas of the client id that is the topic prefix."""
    words = ["--alter", "--entity-type", "clients", "--entity-name", run.prefix, *change]
    program = [*java_command(128), "kafka.admin.ConfigCommand", "--bootstrap-server", run.bootstrap, *words]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr or done.stdout


def sample(child: Child, name: str, label: str) -> float:
    lines = child.get("/metrics")[1].splitlines()
    found = [
        float(line.split()[-1])
        for line in lines
        if line.startswith(f"accountpulse_{name}{{") and label in line
    ]
    return max(found, default=0.0)


@pytest.mark.parametrize(
    ("quota", "client"),
    [("consumer_byte_rate", "consumer"), ("producer_byte_rate", "producer"), ("request_percentage", "")],
)
async def test_a_quota_slows_and_is_told(kafka, topic_prefix, tmp_path, quota, client):
    """Held back, a worker counts for how long; what it cannot read shows as lag; without the quota it ends up exact."""
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        run.extra = {"ACCOUNTPULSE_KAFKA__CLIENT_ID": run.prefix, "ACCOUNTPULSE_KAFKA__REQUEST_TIMEOUT": "60"}
        worker = run.start()
        await run.ready(worker)
        await run.produce(500, seed=1)
        await run.finished()
        assert sample(worker, "throttle_seconds_total", client) == 0
        await asyncio.to_thread(alter, run, "--add-config", f"{quota}={0.01 if client == '' else 1_000}")
        began = time.monotonic()
        feeding = asyncio.create_task(feed(run))

        def told() -> bool:
            late = client != "consumer" or sample(worker, "consumer_lag_seconds", "usage") > 2
            return late and sample(worker, "throttle_seconds_total", client) > 1

        await until(told, 40, lambda: worker.get("/metrics")[1])
        await feeding
        held_s = time.monotonic() - began
        assert "a quota of Kafka holds requests back" in worker.log.read_text()
        assert worker.process.poll() is None
        await asyncio.to_thread(alter, run, "--delete-config", quota)
        await run.finished(90)
        await until(lambda: sample(worker, "consumer_lag_seconds", "usage") < 1, 20)
        assert await run.differences() == []
        assert held_s < 60
        assert await run.stop(worker) == 0


async def feed(run: Run) -> None:
    """Some kilobytes a second for a while."""
    for seed in range(2, 14):
        await run.produce(200, seed)
        await asyncio.sleep(0.5)
