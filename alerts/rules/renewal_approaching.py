"""renewal_approaching: an unhealthy account comes up for renewal. A fact that the clock makes known, rung by rung."""

from __future__ import annotations

import numpy as np

from alerts.model import Evidence
from alerts.rules.base import EMPTY, Fact, Tick, counted, date, dated
from scoring.layout import BANDS
from scoring.rule_options import RenewalApproaching as Options
from scoring.state import Store
from scoring.times import DAY, UNSET


class RenewalApproaching(Fact[Options]):
    """What counts is the day they must decide by: the renewal less the notice they have to give.

    The rungs are our own choice: the first leaves a quarter to change something, the last a month to negotiate. Each
    is told once, and only while the band is bad.
    """

    name = "renewal_approaching"
    when = "each of `rungs` days before the deadline (renewal less notice), while the band is one of `bands`"
    shows = "the renewal, the notice, the day to decide by and how far it is"
    play = (
        "Settle the worst driver before price comes up; meet the one who signs, with what was reached so far."
    )

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._is_one = np.isin(BANDS, options.bands)

    def items(self, tick: Tick) -> list[tuple[int, str]]:
        """The current rung of every unhealthy account that has one."""
        f = tick.facts
        near = (f.column("renewal") > f.now) & (f.column("deadline") - f.now <= DAY * self.options.rungs[0])
        if not near.any():
            return []
        near &= self._is_one[tick.band]
        rows = tick.rows[near].tolist()
        return [
            (i, item)
            for i, row in zip(np.flatnonzero(near).tolist(), rows, strict=True)
            if (item := self._rung(tick.store, row, f.now))
        ]

    def over(self, store: Store, row: int, item: str, at: int, now: int) -> bool:
        """Whether the account is well again, or the next rung is reached, or the date moved or passed."""
        del at
        return not self._is_one[store.hot["band"][row]] or item != self._rung(store, row, now)

    def forgotten(self, store: Store, row: int, item: str, now: int) -> bool:
        """When the renewal it told of is past or was moved."""
        return bool(now >= store.hot["renewal"][row]) or item.rpartition("/")[0] != _renewal_date(store, row)

    def evidence(self, store: Store, row: int, item: str) -> list[Evidence]:
        """Until when they have to decide."""
        tail, hot = store.tails.get(row, EMPTY), store.hot[row]
        renewal, deadline = int(hot["renewal"]), int(hot["deadline"])
        state = tail.facts.get(self.name, {}).get(item)
        left = deadline - state.at if state else 0
        when = f"{counted(abs(left) // DAY, 'day')} {'left' if left >= 0 else 'ago'}"
        notice = counted((renewal - deadline) // DAY, "day")
        text = f"renews on {date(renewal)}, {notice} of notice: decide by {date(deadline)} ({when})"
        told = tail.attributes.get("renewal_date", (UNSET, None))[0]
        return [Evidence(text, dated(tail, (told,), "account "))]

    def _rung(self, store: Store, row: int, now: int) -> str | None:
        """`<renewal date>/<rung>` as of now, None far from a renewal."""
        renewal, deadline = int(store.hot["renewal"][row]), int(store.hot["deadline"][row])
        if now >= renewal:
            return None
        rung = min((r for r in self.options.rungs if deadline - now <= r * DAY), default=None)
        return None if rung is None else f"{_renewal_date(store, row)}/{rung}"


def _renewal_date(store: Store, row: int) -> str:
    return str(store.tails.get(row, EMPTY).value("renewal_date"))[:10]
