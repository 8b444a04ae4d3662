"""A job as a process of its own that prints its figures as JSON, one object a line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.workers import Child

Result = dict[str, Any]


class JobError(Exception):
    """A job cannot be run, or did not do what it should; says why."""


def run_job(command: Sequence[str], log: Path, env: Mapping[str, str], seconds: float) -> list[Result]:
    """Run a job to its end, killing it after `seconds`; what it printed. Raises JobError."""
    with Child(command, log, env=env, cwd=log.parent) as job:
        try:
            job.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise JobError(f"not done after {seconds:.0f} s: {job.tail()[-400:]}") from None
        found = results(log.read_text("utf-8", errors="replace"))
        if not found:
            raise JobError(f"ended without a figure: {job.tail()[-400:]}")
    if "error" in found[-1]:
        raise JobError(found[-1]["error"])
    return found


def results(text: str) -> list[Result]:
    """The lines that are JSON objects; libraries log between them."""
    found = []
    for line in text.splitlines():
        try:
            value = json.loads(line) if line.startswith("{") else None
        except ValueError:
            continue
        if isinstance(value, dict) and ("us" in value or "error" in value):
            found.append(value)
    return found
