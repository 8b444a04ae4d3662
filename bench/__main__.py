"""`python -m bench`: the product, the raw client and its peers on the topics of one real Kafka, in one run.

A whole run writes bench/results/latest.json; a part of it, or a quick one, writes .run/bench/results.json. Needs a quiet machine:
figures are CPU per event where they can be, and ratios of one run travel between machines, the rest does not.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.figures import Figures
from bench.scenarios import SCENARIOS, chosen, perform
from bench.workers import ROOT
from bench.world import world

RESULTS: Final = Path(__file__).parent / "results" / "latest.json"
PARTIAL: Final = ROOT / ".run" / "bench" / "results.json"


def main() -> None:
    """Run, report, write."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="a scenario, or what several begin with"
    )
    parser.add_argument(
        "--quick", action="store_true", help="small sizes: to try the machinery, not to measure"
    )
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    options = parser.parse_args()
    if options.list:
        print("\n".join(SCENARIOS))
        return
    try:
        names = chosen(options.only)
    except ValueError as error:
        parser.error(str(error))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every child is killed on the way out
    whole = not options.quick and len(names) == len(SCENARIOS)
    console, figures, began = Console(), Figures(), time.monotonic()
    with world(figures, quick=options.quick) as here:
        for name in names:
            perform(here, name, lambda text: console.print(text, highlight=False, markup=False))
    figures.derive()
    path = RESULTS if whole else PARTIAL
    figures.load["run"] = {"quick": options.quick, "seconds": round(time.monotonic() - began)}
    figures.write(path)
    figures.show(console)
    console.print(f"{time.monotonic() - began:.0f} s; written to {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
