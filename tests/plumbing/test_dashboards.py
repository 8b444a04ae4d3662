"""The dashboard: what is checked in is what its program writes, and a real Prometheus that scraped a real run answers it.

The run: two workers, a notifier and a view on a real Kafka and Redis, fed with a small fleet and some nonsense; one worker
is stopped half-way, so that the other has something to recover.
"""

import asyncio
import importlib
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import httpx
import pytest

from scoring.times import DAY
from streams import topics
from streams.clock import wall_ms
from streams.demo.fleet import Fleet, generate, lines
from streams.demo.stories import SHORTEST_DAYS
from streams.servers.process import ServerProcess, free_port
from streams.settings import Kafka, Settings
from tests.plumbing.prometheus_server import DEPLOY, PrometheusServer
from tests.plumbing.test_prometheus_rules import RULES, served
from tests.plumbing.worker_group import until

PICTURE = os.environ.get("ACCOUNTPULSE_TEST_PICTURE")
"""Where to write the picture of docs/deploy.md; the run is then larger and longer."""
ACCOUNTS, FEED_S = (150, 90.0) if PICTURE else (12, 10.0)
NONSENSE = 40
BAR_S, SCRAPE_S = 6, 1
ROLES = {"worker-1": "worker", "worker-2": "worker", "notifier": "notifier", "view": "view"}
PROGRAMS = str(DEPLOY / "grafana")
DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/accountpulse.json").read_text("utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
pytestmark = pytest.mark.timeout(300)


def program(name: str) -> ModuleType:
    """A program beside the dashboard, imported as it runs: with its folder first on the path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PROGRAMS)
        return importlib.import_module(name)


def test_is_what_the_program_writes():
    """The dashboard that is checked in is, byte for byte, what its program makes: `make dashboards`."""
    dashboard = program("dashboard")
    assert dashboard.OUT.read_text("utf-8") == dashboard.render()


def test_panels_lie_side_by_side():
    """No panel overlaps another or leaves the grid, and each says what it shows."""
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["type"] == "row" or (panel["description"].endswith((".", "`")) and panel["targets"])


def test_every_metric_is_shown_or_watched():
    """What the roles serve is on the dashboard or in an alert: nobody maintains a metric that nobody sees."""
    text = json.dumps(DASHBOARD) + json.dumps(RULES)
    unseen = {name for name in served() if name not in text}
    unseen -= {name for name in unseen if name.endswith(("_sum", "_count"))}  # the buckets are shown
    assert unseen <= {
        "accountpulse_view_generation_rebuilds_total",
        "accountpulse_view_records_total",
        "accountpulse_deliveries_grouped_total",
    }


@dataclass
class Watched:
    """A Prometheus with everything it saw from `since` to `until`, seconds of wall time."""

    prometheus: PrometheusServer
    since: float
    until: float
    environment: dict[str, str]
    directory: Path

    def series(self, panel: dict, target: dict) -> list[dict]:
        """What Grafana would get for a query of a panel."""
        query = (
            target["expr"]
            .replace("$__rate_interval", f"{BAR_S + SCRAPE_S}s")
            .replace("$__interval_ms", str(BAR_S * 1000))
        )
        assert "$" not in query
        if target.get("instant"):
            return self.prometheus.ask("query", query=query, time=self.until)["result"]
        step = {"start": self.since, "end": self.until, "step": BAR_S if "interval" in panel else 1}
        return self.prometheus.ask("query_range", query=query, **step)["result"]


@pytest.fixture
async def watched(kafka, redis_server, topic_prefix, tmp_path):
    """The run of the module's first lines."""
    settings = Settings(topic_prefix=topic_prefix, kafka=Kafka(bootstrap=kafka.bootstrap, group=topic_prefix))
    await topics.create(settings)
    ports = {name: free_port() for name in ROLES}
    environment = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "ACCOUNTPULSE_TOPIC_PREFIX": topic_prefix,
        "ACCOUNTPULSE_KAFKA__BOOTSTRAP": kafka.bootstrap,
        "ACCOUNTPULSE_KAFKA__GROUP": topic_prefix,
        "ACCOUNTPULSE_REDIS__URL": redis_server.url,
        "ACCOUNTPULSE_REDIS__PREFIX": topic_prefix,
        "ACCOUNTPULSE_ENGINE__TICK": str(DAY // 1000 // 4),
        "ACCOUNTPULSE_ENGINE__IDLE": "5",  # between the halves the feed is not over
        "ACCOUNTPULSE_ENGINE__COLD_START_HOURS": str(2 * SHORTEST_DAYS * 24),
        "ACCOUNTPULSE_SINKS__STDOUT": "true",
        "ACCOUNTPULSE_PROBES__HOST": "127.0.0.1",
    }
    processes = {name: role_process(tmp_path, name, ports[name], environment) for name in ROLES}
    targets = {"accountpulse-worker": [ports["worker-1"], ports["worker-2"]]}
    targets |= {f"accountpulse-{name}": [ports[name]] for name in ("notifier", "view")}
    prometheus = PrometheusServer(tmp_path, targets)
    since = time.time()
    try:
        await asyncio.to_thread(prometheus.start)
        starting = (
            asyncio.to_thread(p.start, lambda p=port: ready(p), timeout=60)
            for p, port in pair(processes, ports)
        )
        await asyncio.gather(*starting)
        await feed(tmp_path, environment, processes["worker-2"])
        await until(lambda: not missing(prometheus), 90, lambda: f"{missing(prometheus)} {logs(tmp_path)}")
        await asyncio.sleep(BAR_S + 1)  # so that the last step of every query lies behind what came last
        yield Watched(prometheus, since, time.time(), environment, tmp_path)
    finally:
        for process in (*processes.values(), prometheus.process):
            process.kill()


def pair(processes, ports):
    return [(processes[name], ports[name]) for name in ROLES]


def role_process(directory: Path, name: str, port: int, environment: dict[str, str]) -> ServerProcess:
    variables = [
        f"{key}={value}" for key, value in {**environment, "ACCOUNTPULSE_PROBES__PORT": port}.items()
    ]
    command = ["/usr/bin/env", *variables, sys.executable, "-m", "streams.cli.main", ROLES[name]]
    return ServerProcess(command, directory / f"{name}.log")


def ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


async def feed(directory: Path, environment: dict[str, str], leaving: ServerProcess) -> None:
    """A fleet in two halves, between which a worker leaves; the second has a field too many, and ends with no events."""
    history = generate(Fleet(wall_ms() // DAY * DAY, accounts=ACCOUNTS, days=SHORTEST_DAYS))
    half, nonsense = len(history) // 2, b'{"type": "nonsense", "account_id": "acct-0001"}\n'
    odd = re.sub(rb"(?m)^\{", b'{"odd":1,', b"".join(lines(history[half:])))
    halves = [b"".join(lines(history[:half])), odd + NONSENSE * nonsense]
    for number, part in enumerate(halves):
        file = directory / f"{number}.ndjson"
        file.write_bytes(part)
        rate = str(2 * half / FEED_S)
        done = await asyncio.to_thread(command, environment, "produce", str(file), "--rate", rate)
        assert done.returncode == 0, done.stderr
        if number == 0:
            stopping = asyncio.create_task(asyncio.to_thread(leaving.stop))
    await stopping


def command(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """A command of the program, as `docker compose exec` runs it beside a role."""
    call = [sys.executable, "-m", "streams.cli.main", *words]
    return subprocess.run(call, env=environment, capture_output=True, text=True, check=False)


def missing(prometheus: PrometheusServer) -> list[tuple[str, float]]:
    """What has not arrived yet, as far as Prometheus has seen."""
    least = {
        "sum(accountpulse_dead_letters_total)": NONSENSE,
        "sum(accountpulse_unknown_fields_total)": 1,
        "sum(accountpulse_view_accounts)": ACCOUNTS,
        'sum(accountpulse_deliveries_total{fate="sent"})': 1,
        "-sum(accountpulse_consumer_lag_events)": 0,
        "-sum(accountpulse_view_lag_records)": 0,
    }
    found = {query: value(prometheus, query) for query in least}
    return [(query, found[query]) for query in least if found[query] < least[query]]


def logs(directory: Path) -> str:
    return "\n".join(
        f"{name}: {(directory / name).with_suffix('.log').read_text()[-1500:]}" for name in ROLES
    )


def value(prometheus: PrometheusServer, query: str) -> float:
    found = prometheus.ask("query", query=query)["result"]
    return float(found[0]["value"][1]) if found else 0.0


async def test_every_query_is_answered(watched):
    """Every query of every panel and rule is answered by a real Prometheus, each panel's with data, with labels for its legend."""
    without = []
    for panel in PANELS:
        for target in panel["targets"]:
            series = watched.series(panel, target)
            labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            if not series or any(labels - one["metric"].keys() for one in series):
                without.append((panel["title"], target["expr"], series[:2]))
    assert without == []
    figures(watched)
    drawn(watched)
    documented(watched)
    groups = watched.prometheus.ask("rules")["groups"]
    assert [rule["name"] for group in groups for rule in group["rules"] if rule["health"] != "ok"] == []


def drawn(watched: Watched) -> None:
    """deploy/grafana/render.py draws every panel of the dashboard from this Prometheus, none of them empty."""
    render = program("render")
    span = (watched.since, watched.until)
    svg = render.draw(DASHBOARD, watched.prometheus.ask, span, scrape=BAR_S / render.SCRAPES)
    told = [
        "".join(text.itertext()) for text in ElementTree.fromstring(svg).iter() if text.tag.endswith("text")
    ]
    assert [panel["title"] for panel in PANELS if told.count(panel["title"]) != 1] == []
    assert [title for title, body in pairwise(told) if body == "no data"] == []
    assert {"red", "amber", "green", "tickets", "applied", "sent", "stream"} <= {
        word for t in told for word in t.split()
    }
    if PICTURE:
        Path(PICTURE).write_text(svg, "utf-8")


def documented(watched: Watched) -> None:
    """The commands of docs/deploy.md, as they stand there."""
    page = (DEPLOY.parent / "docs/deploy.md").read_text("utf-8")
    commands = re.findall(r"^\$ docker compose exec \w+ accountpulse (.*)$", page, re.MULTILINE)
    assert len(commands) == 3
    for words in commands:
        done = command(watched.environment, *words.split())
        assert done.returncode in {0, 1}, (words, done.stdout, done.stderr)
        assert done.stdout.strip(), words
        assert "Traceback" not in done.stderr


def figures(watched: Watched) -> None:
    """Sums over labels that must come out whatever the fleet does."""
    ask = watched.prometheus
    events = value(ask, "sum(accountpulse_events_total)")
    assert value(ask, "sum(accountpulse_scores)") == value(ask, "sum(accountpulse_view_accounts)") == ACCOUNTS
    assert value(ask, 'sum(accountpulse_events_total{fate="dead"})') == value(
        ask, "sum(accountpulse_dead_letters_total)"
    )
    assert events > 1000
    assert '"field": "odd"' in (watched.directory / "worker-1.log").read_text()
    assert value(ask, "sum(accountpulse_partitions)") == Kafka().partitions
    assert value(ask, "sum(accountpulse_recovered_rows_total)") > 0
    shown = watched.prometheus.ask("query", query='max_over_time(up{job="accountpulse-worker"}[5m])')[
        "result"
    ]
    assert [one["value"][1] for one in shown] == ["1", "1"]
