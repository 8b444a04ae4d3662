"""One run: real workers that can be stopped anywhere, what they noted, what they hold, and what it cost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError

from streams import topics
from tests.fault.feeds import GRACE, TICK
from tests.plumbing.worker_group import PARTITIONS, Child, WorkerGroup, until

POLL_S = 0.25
FIRST = int(os.environ.get("ACCOUNTPULSE_TEST_SEED", "1"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("ACCOUNTPULSE_TEST_FAULT_SEEDS", "3")))
ONE_SEED = SEEDS[:1]
"""For faults that chance adds little to."""


@dataclass
class FaultRun(WorkerGroup):
    """A group of the product's own workers, each with an observer inside."""

    command: tuple[str, ...] = ("tests.fault.worker_entry",)
    session: float = 4.0
    commit_interval: float = 1.0
    gap: float = 0.0
    """Longest time in which nothing of a partition number was committed while something was left to commit, seconds."""
    deaths: list[int] = field(default_factory=list)
    """Exit codes of workers that ended by themselves."""

    def environment(self, port: int) -> dict[str, str]:
        return {
            **super().environment(port),
            "FAULT_DIRECTORY": str(self.directory),
            "ACCOUNTPULSE_ENGINE__TICK": str(TICK // 1000),
            "ACCOUNTPULSE_ENGINE__GRACE": str(GRACE / 1000),
            "ACCOUNTPULSE_ENGINE__IDLE": "600",  # no clock waits for silence, so none may take it for an answer
            "ACCOUNTPULSE_ENGINE__TICK_LOG": str(self.directory / f"ticks{len(self.children)}.ndjson"),
            **self.extra,
        }

    # -- processes

    @property
    def alive(self) -> list[Child]:
        """Workers that have not ended."""
        return [child for child in self.children if child.process.poll() is None]

    async def start_ready(self, count: int) -> list[Child]:
        """Some workers, ready."""
        children = [self.start() for _ in range(count)]
        await self.all_ready()
        return children

    async def all_ready(self, timeout: float = 60.0) -> None:
        """Wait for every worker that runs."""
        await asyncio.gather(*(self.ready(child, timeout) for child in self.alive))

    async def stop_all(self) -> None:
        """SIGTERM to every worker that runs; each must end with 0."""
        codes = await asyncio.gather(*(self.stop(child) for child in self.alive))
        assert not any(codes), f"{codes}\n{self.logs()}"

    def kill(self, child: Child) -> None:
        """Kill -9, also a frozen one."""
        child.process.kill()
        child.process.wait()

    async def frozen(self, child: Child, timeout: float = 20.0) -> None:
        """Wait until a process stands still."""
        await until(lambda: child.stopped, timeout, self.logs)

    def arm(self, child: Child, point: str) -> None:
        """Let a worker stop itself when it comes to a point."""
        (self.directory / f"pause.{point}.{child.process.pid}").touch()

    async def freeze_at(self, child: Child, point: str) -> dict[str, Any]:
        """Let a worker stop itself at a point; returns its note of it."""
        self.arm(child, point)
        await self.frozen(child)
        return self.notes("pause", child)[-1]

    def thaw(self, child: Child) -> None:
        """Let a frozen worker go on."""
        child.process.send_signal(signal.SIGCONT)

    # -- what the workers say

    def notes(self, event: str, child: Child | None = None) -> list[dict[str, Any]]:
        """What workers, or one of them, noted in the journal."""
        path = self.directory / "journal.ndjson"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [note for note in map(json.loads, lines) if note["event"] == event]
        return [note for note in found if child is None or note["pid"] == child.process.pid]

    def errors(self, *apis: int) -> set[int]:
        """Error codes that brokers answered workers with, to requests of these kinds, or of any."""
        return {note["code"] for note in self.notes("error") if not apis or note["api"] in apis}

    @property
    def generations(self) -> int:
        """How many generations of the group were seen."""
        return len({note["generation"] for note in self.notes("generation")})

    async def live(self, timeout: float = 20.0) -> dict[int, dict[str, Any]]:
        """The rows that workers hold, by partition; fails if two of them hold the same."""
        await self.all_ready()
        files = [self.directory / f"live.{child.process.pid}.json" for child in self.alive]
        for file, child in zip(files, self.alive, strict=True):
            file.unlink(missing_ok=True)
            child.process.send_signal(signal.SIGUSR1)
        await until(lambda: all(file.exists() for file in files), timeout, self.logs)
        held: dict[int, dict[str, Any]] = {}
        for file in files:
            for number, state in json.loads(file.read_text("utf-8")).items():
                assert int(number) not in held, f"partition {number} is held twice"
                held[int(number)] = state
        return held

    def metric(self, name: str, **labels: str) -> int:
        """The sum of a metric over all workers that run or ended by themselves; those killed take theirs along."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            int(float(line.rsplit(" ", 1)[1]))
            for child in self.children
            for line in self._metrics(child).splitlines()
            if line.startswith(f"accountpulse_{name}") and all(text in line for text in wanted)
        )

    def _metrics(self, child: Child) -> str:
        if child.process.poll() is None:
            return "" if child.stopped else child.get("/metrics")[1]
        path = self.directory / f"metrics.{child.process.pid}.txt"
        return path.read_text() if path.exists() else ""

    def fates(self) -> Counter[str]:
        """Events by fate, over all workers that run or ended by themselves."""
        fates = ("applied", "duplicate", "replayed", "late", "dead")
        return Counter({fate: n for fate in fates if (n := self.metric("events_total", fate=fate))})

    @property
    def replayed(self) -> int:
        """Events that were read again and skipped by the fence in their row."""
        return self.metric("events_total", fate="replayed")

    def figures(self) -> dict[str, object]:
        """What the run cost."""
        return {
            "gap_s": round(self.gap, 1),
            "generations": self.generations,
            "fenced": len(self.notes("fenced")),
            "replayed": self.replayed,
            "deaths": self.deaths,
        }

    # -- what goes on beside

    @contextlib.asynccontextmanager
    async def watched(self, *, restart: bool = False) -> AsyncIterator[None]:
        """Measures the gaps between commits; with `restart`, replaces workers that end by themselves."""
        over = asyncio.Event()
        tasks = [asyncio.create_task(self._watch_progress(over))]
        if restart:
            tasks.append(asyncio.create_task(self._keep_alive(over, list(self.alive))))
        try:
            yield
        finally:
            over.set()  # a client that is cancelled while it connects leaves its socket open
            await asyncio.gather(*tasks)

    async def _watch_progress(self, over: asyncio.Event) -> None:
        done, since = Counter[int](), dict.fromkeys(range(PARTITIONS), time.monotonic())
        while not over.is_set():
            await asyncio.sleep(POLL_S)
            totals = done
            with contextlib.suppress(KafkaError, OSError):  # the broker may be the one that is away
                totals = await self.committed_records()
            now = time.monotonic()
            for number in since:
                left = sum(end for (_, partition), end in self.ends.items() if partition == number)
                if done[number] < left:  # up to when it was seen: a broker that is away answers nobody
                    self.gap = max(self.gap, now - since[number])
                if totals[number] != done[number] or totals[number] >= left:
                    since[number] = now
            done = totals

    async def committed_records(self) -> Counter[int]:
        """Committed records by partition number."""
        taken: Counter[int] = Counter()
        for tp, (offset, _) in (await self.committed(timeout=2)).items():
            taken[tp.partition] += max(0, offset)
        return taken

    async def _keep_alive(self, over: asyncio.Event, members: list[Child]) -> None:
        while not over.is_set():
            await asyncio.sleep(POLL_S)
            for member in [m for m in members if m.process.poll() is not None]:
                self.deaths.append(member.process.returncode)
                members.remove(member)
                members.append(self.start())


@contextlib.asynccontextmanager
async def fault_run(bootstrap: str, prefix: str, directory: Path, **options: Any) -> AsyncIterator[FaultRun]:
    """A run with its topics made and its changelog compacted all the time; its workers are killed at the end."""
    run = FaultRun(bootstrap, prefix, directory, **options)
    await topics.create(run.settings)
    await run.compact_quickly()
    try:
        yield run
    finally:
        run.close()
