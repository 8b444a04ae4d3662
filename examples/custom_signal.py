"""Two signals of your own: one over whole columns, one in plain Python over one account at a time.

Offer them to accountpulse from your package's pyproject.toml and install the package beside it:

    [project.entry-points."accountpulse.signals"]
    acme = "custom_signal"

Importing the module registers them, and a model may name them like any other signal:

    dimensions:
      product_usage:
        weight: {high_touch: 24, low_touch: 30, tech_touch: 42}
        signals:
          weekend_use: {weight: 10, curve: [[0, 50000], [4, 100000]]}
          plan_fit: {weight: 10, options: {plan: enterprise, seats: 50}, curve: [[0, 0], [1000, 100000]]}

A signal is a function of what it is given and of nothing else: no clock, no files, no randomness, or replays and
recoveries disagree with what was told live. All numbers are integers, times are milliseconds since 1970 UTC.
"""

from __future__ import annotations

import numpy as np

from scoring.curves import curve
from scoring.facts import AccountFacts, Facts
from scoring.layout import MISSING
from scoring.model import Signal
from scoring.signals.registry import account_signal, signal
from scoring.times import Int64


@signal()
def weekend_use(f: Facts, s: Signal) -> Int64:
    """Weekend days with usage among the last 28: n accounts at once, MISSING where nothing was ever used."""
    days = [
        day for day in range(f.today - 27, f.today + 1) if (day + 3) % 7 >= 5
    ]  # 1970-01-01 was a Thursday
    used = sum((f.active_on(day).astype(np.int64) for day in days), np.zeros(len(f), np.int64))
    return np.where(f.seen(0), curve(used, s.curve), MISSING)


@account_signal("options")
def plan_fit(account: AccountFacts, s: Signal) -> int | None:
    """How many of the seats that a plan is made for the account has, in thousandths; None on other plans.

    About ten times slower than a column signal: it is called once for every account scored.
    """
    wanted = s.options or {}
    if account.attribute("plan") != wanted["plan"]:
        return None
    return min(1000, int(account.hot["seats"]) * 1000 // int(wanted["seats"]))
