"""Worker processes of a benchmark: started on settings, followed through their snapshots, stopped or killed in any case."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from bench.observed import Board, Snapshot
from streams.settings import Settings

ROOT: Final = Path(__file__).parents[1]
STOP_S: Final = 15.0
_POLL_S: Final = 0.02
_AT_REST: Final = 0.15
"""CPU of a worker that only waits stays below this share of a core."""


class WorkerError(Exception):
    """A worker ended by itself, did not get ready or did not stop as it should; says what it logged last."""


def environment(settings: Settings) -> dict[str, str]:
    """The environment that gives a child process these settings."""
    kafka, engine = settings.kafka, settings.engine
    values = {
        "TOPIC_PREFIX": settings.topic_prefix,
        "LOG_LEVEL": os.environ.get("BENCH_LOG", "warning"),
        "KAFKA__BOOTSTRAP": kafka.bootstrap,
        "KAFKA__GROUP": kafka.group,
        "KAFKA__PARTITIONS": kafka.partitions,
        "ENGINE__TICK": engine.tick,
        "ENGINE__GRACE": engine.grace,
        "ENGINE__IDLE": engine.idle,
        "ENGINE__COMMIT_INTERVAL": engine.commit_interval,
        "PROBES__HOST": "127.0.0.1",
        "PROBES__PORT": 0,
    }
    values |= {"KAFKA__INSTANCE_ID": kafka.instance_id} if kafka.instance_id else {}
    ours = {f"ACCOUNTPULSE_{name}": str(value) for name, value in values.items()}
    others = {name: value for name, value in os.environ.items() if not name.startswith("ACCOUNTPULSE_")}
    return {**others, **ours, "PYTHONPATH": str(ROOT)}


class Child:
    """A process in a session of its own, killed with everything it started when the context ends."""

    def __init__(
        self, command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path = ROOT
    ) -> None:
        self.log = log
        self.started = time.monotonic()
        with log.open("wb") as sink:
            self.process = subprocess.Popen(
                command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
            )  # fmt: skip

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def tail(self) -> str:
        """The end of what it printed; of a structured log the errors alone, if there are any."""
        lines = self.log.read_text("utf-8", errors="replace").splitlines()
        errors = [line for line in lines if '"level": "error"' in line]
        return "\n".join(errors or lines)[-600:]

    def kill(self) -> None:
        """Kill the whole session."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


class WorkerProcess(Child):
    """One observed product worker."""

    def __init__(self, settings: Settings, directory: Path, module: str = "bench.observed") -> None:
        stem = f"worker-{time.monotonic_ns()}"
        path = directory / f"{stem}.board"
        self.board = Board(path, create=True)
        super().__init__(
            [sys.executable, "-m", module, str(path)], directory / f"{stem}.log", env=environment(settings)
        )

    def snapshot(self) -> Snapshot:
        """What it did so far. Raises WorkerError if it is gone."""
        if not self.alive:
            raise WorkerError(f"a worker ended with {self.process.returncode}: {self.tail()}")
        return self.board.read()

    def peak_bytes(self) -> int:
        """The most memory it ever had resident."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text("utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


def stop(workers: Sequence[WorkerProcess]) -> None:
    """SIGTERM to all of them, which flushes and commits. Raises WorkerError unless each ends with 0 in time."""
    for worker in workers:
        worker.process.terminate()
    deadline = time.monotonic() + STOP_S
    for worker in workers:
        try:
            code = worker.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise WorkerError(f"a worker did not stop within {STOP_S:.0f} s: {worker.tail()}") from None
        if code:
            raise WorkerError(f"a worker stopped with {code}: {worker.tail()}")


def until(workers: Sequence[WorkerProcess], reached: float, deadline_s: float, what: str = "events") -> None:
    """Wait until the sum of a field of the snapshots has reached a value. Raises TimeoutError."""
    end = time.monotonic() + deadline_s
    while (now := sum(getattr(worker.snapshot(), what) for worker in workers)) < reached:
        if time.monotonic() > end:
            raise TimeoutError(f"{now:,.0f} of {reached:,.0f} {what} after {deadline_s:.0f} s")
        time.sleep(_POLL_S)


class Window:
    """What workers did between two moments, together."""

    def __init__(self, workers: Sequence[WorkerProcess]) -> None:
        """The window begins now."""
        self._workers = workers
        self._before = [worker.snapshot() for worker in workers]
        self._lags_before = [worker.board.lags() for worker in workers]
        self.end()

    def end(self) -> Self:
        """The window ends now (for the present: it may be called again)."""
        self._after = [worker.snapshot() for worker in self._workers]
        self._lags_after = [worker.board.lags() for worker in self._workers]
        return self

    def _gained(self, field: str) -> float:
        pairs = zip(self._before, self._after, strict=True)
        gained: float = sum(getattr(after, field) - getattr(before, field) for before, after in pairs)
        return gained

    @property
    def events(self) -> float:
        """Events folded."""
        return self._gained("events")

    @property
    def cpu(self) -> float:
        """CPU seconds of all threads of all workers."""
        return self._gained("cpu")

    @property
    def wall(self) -> float:
        """Seconds, of one worker."""
        return self._gained("wall") / len(self._workers)

    @property
    def ticks(self) -> float:
        """Ticks that ran, of all partitions."""
        return self._gained("ticks")

    @property
    def commits(self) -> float:
        """Commits a second, of one worker."""
        return self._gained("commits") / max(self._gained("wall"), 1e-9)

    @property
    def us(self) -> float:
        """CPU microseconds per event. Raises RuntimeError if the window holds no event."""
        if not self.events:
            raise RuntimeError("the run was too short to be measured")
        return self.cpu / self.events * 1e6

    @property
    def per_core(self) -> float:
        """Events per CPU second."""
        return 1e6 / self.us

    def lag_ms(self, share: float) -> float:
        """The delay of a timer in the loop that this share of the timers stayed below; 1 is the greatest."""
        counts = np.sum(self._lags_after, axis=0) - np.sum(self._lags_before, axis=0)
        return quantile(counts, share)


def quantile(counts: np.ndarray, share: float) -> float:
    """The upper edge of the first bin of width 1 at which `share` of all counts is reached; 0 if there are none."""
    reached = np.cumsum(counts)
    if not len(reached) or reached[-1] == 0:
        return 0.0
    return float(np.searchsorted(reached, share * reached[-1]) + 1)


def settle(workers: Sequence[WorkerProcess], deadline_s: float = 120.0) -> None:
    """Wait until two more commits went through on each worker, so that what was folded before is durable. Raises TimeoutError.

    Scores may still wait for their turn: a million of them take minutes.
    """
    for worker, before in [(worker, worker.snapshot().commits) for worker in workers]:
        until([worker], before + 2, deadline_s, "commits")


def rest(workers: Sequence[WorkerProcess], deadline_s: float = 120.0) -> Window:
    """Wait until the workers have nothing left to fold, score or write; the window is the last second. Raises TimeoutError."""
    end = time.monotonic() + deadline_s
    time.sleep(1.0)  # a snapshot may be too old to know of what came last
    while True:
        window = Window(workers)
        time.sleep(1.0)
        if window.end().cpu < _AT_REST * window.wall * len(workers) and all(
            worker.snapshot().committed for worker in workers
        ):
            return window
        if time.monotonic() > end:
            raise TimeoutError(f"the workers do not come to rest within {deadline_s:.0f} s")


@contextlib.contextmanager
def running(
    settings: Settings, directory: Path, count: int = 1, module: str = "bench.observed"
) -> Iterator[list[WorkerProcess]]:
    """So many workers of one group; all are killed at the end, those still running included."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(WorkerProcess(settings, directory, module)) for _ in range(count)]


def catch_up(workers: Sequence[WorkerProcess], total: int, deadline_s: float = 180.0) -> Window:
    """Follow workers through a backlog of `total` events: the window to 95 %, from 15 % or from when each has its partitions.

    Raises RuntimeError if less than a fifth of the events is left for it.
    """
    until(workers, 0.15 * total, deadline_s)
    for worker in workers:
        until([worker], 1, 60, "live")
    window = Window(workers)
    until(workers, 0.95 * total, deadline_s)
    if window.end().events < 0.2 * total:
        raise RuntimeError(
            "the workers shared the partitions too late to be measured: a longer load is needed"
        )
    until(workers, total, deadline_s)
    return window
