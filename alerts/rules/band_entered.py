"""band_entered: the account is in a band that needs attention (default: red)."""

from __future__ import annotations

import numpy as np

from alerts.model import Evidence, Kind, Severity
from alerts.rules.base import Tick, Verdict
from scoring.bands import ceiling_facts
from scoring.layout import BANDS, DIMENSIONS, MISSING
from scoring.model import BandEntered as Options
from scoring.model import Ceilings
from scoring.times import HOUR, iso


class BandEntered:
    """Fires while the band is one of the rule's bands; the band has its own hold, so this one needs none."""

    name = "band_entered"
    kind = Kind.RISK
    play = (
        "Call the account's owner: go through the weakest dimension first, agree on one next step and a date."
    )

    def __init__(self, options: Options, ceilings: Ceilings) -> None:
        self._ceilings = ceilings
        self.severity = Severity(options.severity)
        self.hold_ms = options.hold_hours * HOUR
        self._codes = [BANDS.index(name) for name in options.bands]

    def verdict(self, tick: Tick) -> Verdict:
        """Unknown while there is not enough data for a band."""
        band = tick.store.hot["band"][tick.rows]
        return Verdict(np.isin(band, self._codes), np.asarray(band != 0))

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """The band, the facts that cap it, and the dimensions that cost most points."""
        row, e = tick.store.hot[tick.rows[i]], tick.evaluation
        lost = [
            (int(e.weight[d, i]) * (100_000 - int(e.sub[d, i])), d)
            for d in range(len(DIMENSIONS))
            if e.sub[d, i] != MISSING
        ]
        said = [Evidence(f"{BANDS[int(row['band'])]} since {iso(int(row['band_since']))}")]
        said += [Evidence(fact) for fact in ceiling_facts(row, tick.facts.now, self._ceilings)]
        for cost, d in sorted(lost, reverse=True)[:3]:
            if cost:
                said.append(Evidence(f"{DIMENSIONS[d].replace('_', ' ')} at {e.sub[d, i] / 1000:.1f} of 100"))
        return said
