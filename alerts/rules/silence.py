"""silence_usage, silence_engagement: nothing for longer than the account's own rhythm allows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import numpy as np

from alerts.model import Evidence
from alerts.rules.base import Level, Tick, Verdict, counted, date
from scoring.cadence import LOOK_BACK
from scoring.drivers import evidence_of
from scoring.layout import CADENCES, DAYS, MISSING
from scoring.rule_options import Silence as Options
from scoring.times import DAY


class _Silence(Level[Options]):
    """A feed that speaks, and an account that does not: measured in days of its own rhythm (`scoring.cadence`)."""

    source: Literal["usage", "engagement"]
    what: str
    dimension: str

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._slot = CADENCES.index(self.source)

    def verdict(self, tick: Tick) -> Verdict:
        """Holds a hold before the limit, so that it fires at it. Unknown on a dead feed and without a rhythm."""
        if not tick.live[self.source]:
            return Verdict(tick.all(False), tick.all(False))
        limit = tick.store.hot["silence_days"][tick.rows, self._slot]
        known = np.asarray(limit > 0)
        if not known.any():
            return Verdict(known, known)
        last = tick.facts.vector("last_active")[self._slot]
        # DAY * (limit - (today - last)) lies within the milliseconds since midnight and the hold
        left = DAY * (limit.astype(np.int64) + last - tick.facts.today)
        holds = known & (last != MISSING) & (left <= tick.facts.now % DAY + self.hold_ms)
        return Verdict(np.asarray(holds), known)

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """How long it is silent, and what is usual for it."""
        row = tick.row(i)
        last, today = int(row["last_active"][self._slot]), tick.facts.today
        events = evidence_of(tick.store, int(tick.rows[i]), tick.tail(i), self.dimension)[0][:1]
        usual = _usual(row, self._slot, today)
        gap = "every day" if usual == 1 else f"every {usual} days"
        silent = f"{self.what} since {date(last * DAY)}, {counted(today - last, 'day')} ago"
        return [Evidence(f"{silent}; usually {gap}" if usual else silent, events)]


def _usual(row: Any, slot: int, today: int) -> int:  # noqa: ANN401 - a row of HOT
    """Median days between active days, 0 if there are no two."""
    words = [int(word) for word in row["active"][slot]]
    active = [
        day for day in range(today - LOOK_BACK, today) if words[day % DAYS // 64] >> (day % DAYS % 64) & 1
    ]
    gaps = sorted(b - a for a, b in pairwise(active))
    return gaps[(len(gaps) + 1) // 2 - 1] if gaps else 0


class SilenceUsage(_Silence):
    """The account stopped using the product: those who leave seldom complain first, they go quiet.

    Published limits are fixed (14 days without use for a daily product, 30 for a weekly one: customer-success-skills,
    signal library); a multiple of the account's own median gap tells a weekly user from a lost daily one. Use and
    engagement are the only sources watched: what customers do of their own accord has a rhythm that can break.
    No ticket is good news, invoices follow our calendar, surveys come when we ask, attributes when they change.
    """

    name = "silence_usage"
    source = "usage"
    what = "no usage"
    dimension = "product_usage"
    when = "no use for `factor` of its usual gaps, and twice what nine in ten stay within, on a live feed"
    shows = "since when, how many days, what is usual for it"
    play = (
        "Rule out a fault on their side, then call whoever used it most: "
        "is something in the way, or has the work moved elsewhere?"
    )


class SilenceEngagement(_Silence):
    """The people of the account stopped answering, visiting and reading.

    Published limits are fixed: two-way silence of 45 days for enterprises, 60 to 90 for mid-size accounts, 120 for
    the rest (customer-success-skills, signal library).
    """

    name = "silence_engagement"
    source = "engagement"
    what = "not heard from"
    dimension = "csm_activity"
    when = "nothing from them for `factor` of their usual gaps, and twice what nine in ten stay within, on a live feed"
    shows = "since when, how many days, what is usual for them"
    play = "Write to a second contact besides the usual one, with something of use to them and two dates to talk."
