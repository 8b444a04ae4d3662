"""A receiver that refuses, hangs, shows a wrong certificate and is away for hours, while Redis and the notifier die."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import ssl
import subprocess
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from alerts.sending import Sender
from alerts.sinks.webhook import Webhook
from streams.clock import wall_ms
from streams.servers.process import free_port
from streams.servers.redis import RedisServer
from streams.sink_consumer import MAX_IN_FLIGHT
from tests.fault.harness import ONE_SEED
from tests.plumbing.notifying import alerts_of, committed, make, prepared, process, publish, running, until
from tests.receiver import HANG, Answer, Receiver, Request, receiver

pytestmark = pytest.mark.timeout(300)

FASTER = 1000
"""A wait of an hour takes 3.6 s."""
OUTAGE_S = 2 * 3600
HANDSHAKE_S = 0.5


class Inbox:
    """A receiver at one address that can be replaced by another certificate, or by nothing."""

    def __init__(self) -> None:
        self.port = free_port()
        self.taken: list[tuple[str, str]] = []
        """(id of the alert with phase and revision, account) of what was taken."""
        self.refused = Counter[int]()
        self._state = Receiver(port=self.port, answer=self._answer)
        self.status: Callable[[], Answer] = lambda: (204, {})

    def _answer(self, request: Request) -> Answer:
        status, headers = self.status()
        if status == 204:
            names = ("alert-id", "phase", "revision")
            name = " ".join(request.headers[f"accountpulse-{each}"] for each in names)
            self.taken.append((name, request.headers["accountpulse-alert-id"]))
        else:
            self.refused[status] += 1
        return status, headers

    @contextlib.asynccontextmanager
    async def open(self, context: ssl.SSLContext) -> AsyncIterator[None]:
        """Serve for the block."""
        server = await asyncio.start_server(
            self._state.serve, "127.0.0.1", self.port, ssl=context, ssl_handshake_timeout=HANDSHAKE_S
        )
        try:
            yield
        finally:
            for listening in server.sockets:
                asyncio.get_running_loop().remove_reader(listening.fileno())
            # whom asyncio has accepted, it attaches to the server: that fails once it is closed
            await asyncio.sleep(0)
            server.close()
            await self._hang_up()
            await asyncio.sleep(HANDSHAKE_S + 0.1)  # who is still shaking hands is known to nobody
            await self._hang_up()

    async def _hang_up(self) -> None:
        known = dict(self._state.connections)
        for task, writer in known.items():
            writer.transport.abort()  # whoever hangs would not answer a farewell either
            task.cancel()
        await asyncio.gather(*known, return_exceptions=True)
        for task in known:
            self._state.connections.pop(task, None)


def certificate(directory: Path, name: str) -> Path:
    """A certificate nobody but itself vouches for, in one file with its key."""
    path = directory / f"{name}.pem"
    done = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", "-", "-out", "-", "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_bytes(done.stdout)
    return path


def serving(path: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


def hasten(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let every wait between attempts pass faster; returns the waits as they were meant, in seconds."""
    waits: list[float] = []
    meant = Sender._wait

    def wait(self: Sender, attempt: int, retry_after: float | None) -> float:
        waits.append(meant(self, attempt, retry_after))
        return waits[-1] / FASTER

    monkeypatch.setattr(Sender, "_wait", wait)
    return waits


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate")
@pytest.mark.parametrize("seed", ONE_SEED)
async def test_receiver_in_trouble(kafka, topic_prefix, tmp_path, monkeypatch, seed, report):
    """Through 429, 5xx, silence, a wrong certificate, two hours of outage and a Redis that forgot: all arrive, in order per account, repeats under their ids."""
    chance, waits, inbox = random.Random(seed), hasten(monkeypatch), Inbox()
    good, bad = certificate(tmp_path, "good"), certificate(tmp_path, "bad")
    alerts = alerts_of(30, 20)
    parts = [alerts[at : at + 100] for at in range(0, len(alerts), 100)]
    trust = ssl.create_default_context(cafile=str(good))
    with RedisServer() as redis:
        settings = await prepared(kafka, redis, topic_prefix)
        sink = Webhook(
            SecretStr(f"https://127.0.0.1:{inbox.port}/"), SecretStr("k"), timeout=0.3, now_ms=wall_ms, context=trust,
        )  # fmt: skip
        registry = CollectorRegistry()
        async with running(settings, sink, registry=registry):
            async with inbox.open(serving(good)):
                for status, headers in ((429, {"Retry-After": "30"}), (503, {}), (HANG, {})):
                    inbox.status = lambda s=status, h=headers: (s, h) if chance.random() < 0.7 else (204, {})
                    await publish(settings, parts.pop(0))
                    await until(lambda s=status: inbox.refused[s] >= 20)
                    assert status != 429 or 30.0 in waits
            async with inbox.open(serving(bad)):
                before = len(waits)
                await publish(settings, parts.pop(0))
                await until(lambda: len(waits) > before + 20)
            outage = asyncio.create_task(asyncio.sleep(OUTAGE_S / FASTER))
            await publish(settings, parts.pop(0))
            await asyncio.to_thread(redis.restart)
            await outage
            waiting = registry.get_sample_value("accountpulse_deliveries_waiting", {"sink": "webhook"})
            inbox.status = lambda: (204, {})
            await publish(settings, parts.pop(0))
            async with inbox.open(serving(good)):
                await until(lambda: len({name for name, _ in inbox.taken}) == len(alerts), 90)
                await until_committed(settings, len(alerts))
    assert parts == []
    assert_no_loss(inbox.taken, alerts)
    report(
        refused=dict(inbox.refused), waits=len(waits), waiting=waiting, repeats=len(inbox.taken) - len(alerts)
    )
    assert waiting is not None
    assert 100 <= waiting <= MAX_IN_FLIGHT
    assert len(inbox.taken) - len(alerts) <= inbox.refused[HANG], "only what was in the air may come twice"


async def until_committed(settings, count: int) -> None:
    async with asyncio.timeout(20):
        while await committed(settings, "webhook") < count:
            await asyncio.sleep(0.2)


def assert_no_loss(taken: list[tuple[str, str]], alerts) -> None:
    """Everything was taken under the name it has, and the first time of each in the order of its account."""
    wanted = {f"{a.id} {a.phase.value} {a.revision}": (a.account_id, int(a.episode)) for a in alerts}
    first = list(dict.fromkeys(name for name, _ in taken))
    assert set(first) == set(wanted)
    by_account: dict[str, list[int]] = defaultdict(list)
    for name in first:
        account, episode = wanted[name]
        by_account[account].append(episode)
    assert all(episodes == sorted(episodes) for episodes in by_account.values())


@pytest.mark.parametrize("seed", ONE_SEED)
async def test_killed_with_its_memory(kafka, topic_prefix, tmp_path, seed, report):
    """A notifier killed while its Redis is emptied repeats what it had not committed, under the same ids; nothing is lost, and order per account is kept."""
    chance = random.Random(seed)
    alerts, taken = [*alerts_of(40, 10), make("last", 0)], []

    def answer(request: Request) -> Answer:
        names = ("alert-id", "phase", "revision")
        taken.append((" ".join(request.headers[f"accountpulse-{n}"] for n in names), ""))
        return 204, {}

    with RedisServer() as redis:
        settings = await prepared(kafka, redis, topic_prefix)
        async with receiver() as server:
            server.answer = answer
            url, output = f"http://127.0.0.1:{server.port}/", tmp_path / "output"
            await publish(settings, alerts)
            for _ in range(3):
                with process(settings, output, webhook__url=url, webhook__secret="k") as child:
                    goal = len(taken) + chance.randrange(20, 100)
                    await until(lambda goal=goal: len(taken) >= goal)
                    child.kill()
                await asyncio.to_thread(redis.kill)
                await asyncio.to_thread(redis.restart)
            with process(settings, output, webhook__url=url, webhook__secret="k"):
                await until(lambda: len({name for name, _ in taken}) == len(alerts), 60)
                await until_committed(settings, len(alerts))
    repeats = len(taken) - len(alerts)
    report(repeats=repeats)
    assert repeats > 0, "Redis remembered, or nothing was under way"
    assert_no_loss(taken, alerts)
