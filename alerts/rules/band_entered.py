"""band_entered: the account is in a band that needs attention (default: red)."""

from __future__ import annotations

import numpy as np

from alerts.model import Evidence
from alerts.rules.base import Level, Tick, Verdict
from scoring.bands import ceiling_facts
from scoring.layout import BANDS
from scoring.model import Ceilings
from scoring.rule_options import BandEntered as Options
from scoring.times import iso


class BandEntered(Level[Options]):
    """Fires while the band is one of the rule's bands; the band has its own hold, so this one needs none.

    Red below 40 and green from 70 are a usual practitioner's cut (HiperTeam's defaults are the same two).
    """

    name = "band_entered"
    when = "the band is one of `bands`"
    shows = "the band and since when, facts that cap it"
    play = (
        "Call the account's owner: go through the weakest dimension first, agree on one next step and a date."
    )

    def __init__(self, options: Options, ceilings: Ceilings) -> None:
        super().__init__(options)
        self._ceilings = ceilings
        self._is_one = np.isin(BANDS, options.bands)

    def verdict(self, tick: Tick) -> Verdict:
        """Unknown while there is not enough data for a band."""
        return Verdict(self._is_one[tick.band], tick.scored)

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """The band, and the facts that cap it; what costs most points comes with every alert."""
        row = tick.row(i)
        said = [Evidence(f"{BANDS[int(row['band'])]} since {iso(int(row['band_since']))}")]
        return said + [Evidence(fact) for fact in ceiling_facts(row, tick.facts.now, self._ceilings)]
