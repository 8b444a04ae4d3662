"""A backlog through the worker on a real Kafka, and the same file through replay: the same at every tick."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from alerts.model import decode_alert
from scoring.model import default_model
from streams.cli.produce import produce  # noqa: F401 - the command this test types must exist
from streams.context import make_context
from streams.replay import Replay, read_lines
from tests.oracle.compare import differences
from tests.plumbing.counting_run import counting_run
from tests.plumbing.test_worker_oracle import tick_lines

SAASGUARD = Path("../shared/data/saasguard/events.ndjson.gz")
DAY_S = 86_400


@pytest.mark.timeout(900)
@pytest.mark.skipif(not SAASGUARD.exists(), reason="the sample data is not beside the repository")
@pytest.mark.parametrize(
    "events", [pytest.param(60_000, id="part"), pytest.param(700_000, id="whole", marks=pytest.mark.fault)]
)
async def test_backlog_equals_replay(kafka, topic_prefix, tmp_path, events):
    """Three years of accounts, read as a backlog over four partitions, get the scores, bands and alerts of replay at every tick."""
    part = tmp_path / "events.ndjson"
    lines = list(itertools.islice(read_lines([str(SAASGUARD)]), events))
    part.write_bytes(b"\n".join(line.text for line in lines) + b"\n")
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path, commit_interval=1.0) as run:
        run.command = ("streams.cli.main", "worker")
        run.extra = {
            "ACCOUNTPULSE_ENGINE__TICK": str(DAY_S),
            "ACCOUNTPULSE_ENGINE__GRACE": "0.5",
            "ACCOUNTPULSE_ENGINE__IDLE": "2",
            "ACCOUNTPULSE_ENGINE__TICK_LOG": str(tmp_path / "ticks0.ndjson"),
        }
        environment = {
            "ACCOUNTPULSE_TOPIC_PREFIX": run.prefix,
            "ACCOUNTPULSE_KAFKA__BOOTSTRAP": run.bootstrap,
            "PATH": "",
        }
        command = [sys.executable, "-m", "streams.cli.main", "produce", str(part)]
        subprocess.run(command, env=environment, check=True, timeout=300)
        for source in ("usage", "tickets", "invoices", "accounts"):
            for partition, records in (await run.read(source)).items():
                run.ends[source, partition] = len(records)
        worker = run.start()
        await run.ready(worker)
        await run.finished(600)
        assert await run.stop(worker) == 0, run.logs()
        told, alerts = tick_lines(tmp_path), await run.read("alerts")

    expected, wanted = replayed(part)
    assert not (found := differences(expected, {k: told.get(k, "no line") for k in expected})), found[:20]
    got = {
        (a.rule, a.account_id, a.episode, a.phase, a.revision): a.at
        for a in (decode_alert(r.value) for rs in alerts.values() for r in rs)
    }
    last = max(wanted.values(), default=0)
    assert not differences(
        {str(k): v for k, v in wanted.items()}, {str(k): at for k, at in got.items() if at <= last}
    )[:30]
    assert wanted, "no alert fired: nothing was compared"


def replayed(path: Path) -> tuple[dict[str, object], dict[tuple[object, ...], int]]:
    lines: dict[str, object] = {}
    alerts: dict[tuple[object, ...], int] = {}

    def log(ticks):
        for t in ticks:
            lines[f"tick {t.as_of} {t.account_id}"] = [
                None if t.score is None else round(t.score * 1000), t.band, round(t.coverage * 1000),
                {k: round(v * 1000) for k, v in t.dimensions.items()},
            ]  # fmt: skip

    def drain(partition):
        for _, value in partition.drain_alerts():
            alert = decode_alert(value)
            alerts[alert.rule, alert.account_id, alert.episode, alert.phase, alert.revision] = alert.at

    context = make_context(default_model(), tick_ms=DAY_S * 1000, grace_ms=500, tick_log=log)
    replay = Replay(context, 1_800_000_000_000, drain)
    replay.run(read_lines([str(path)]))
    drain(replay.partition)
    return lines, alerts
