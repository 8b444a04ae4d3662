"""CPU and memory of a process while it works, from the kernel's own counters."""

from __future__ import annotations

import os
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Sample(NamedTuple):
    """A process at one moment: wall seconds, CPU seconds of all its threads, bytes in memory, events done."""

    wall: float
    cpu: float
    rss: int
    events: float


class Window(NamedTuple):
    """The middle of a run, without start and end."""

    events: float
    cpu: float
    wall: float
    rss: int

    @property
    def us(self) -> float:
        """CPU microseconds per event."""
        return self.cpu / self.events * 1e6

    @property
    def per_core(self) -> float:
        """Events per CPU second."""
        return self.events / self.cpu


def sample(pid: int, events: float) -> Sample:
    """Read the counters of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    cpu = (int(fields[11]) + int(fields[12])) / _TICKS
    return Sample(time.monotonic(), cpu, int(fields[21]) * _PAGE, events)


def scrape(port: int, name: str) -> float:
    """Sum of a metric over its labels, 0 while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return 0.0
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.startswith((name + "{", name + " "))
    )


def watch(pid: int, done: Callable[[], float], total: int, deadline: float = 300.0) -> Window:
    """Follow a process until it has done `total` events; the window is from 15 % to 95 % of them."""
    samples: list[Sample] = []
    end = time.monotonic() + deadline
    while not samples or samples[-1].events < total:
        if time.monotonic() > end:
            raise TimeoutError(
                f"{samples[-1].events if samples else 0:.0f} of {total} events after {deadline:.0f} s"
            )
        samples.append(sample(pid, done()))
        time.sleep(0.2)
    first = next(s for s in samples if s.events >= 0.15 * total)
    last = next(s for s in samples if s.events >= 0.95 * total)
    if last.events == first.events:
        raise RuntimeError("the run was too short to measure: raise --events")
    return Window(
        last.events - first.events, last.cpu - first.cpu, last.wall - first.wall, max(s.rss for s in samples)
    )
