"""The registry of signals, and the options each of them takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from scoring.curves import curve
from scoring.facts import AccountFacts, Facts
from scoring.layout import MISSING
from scoring.model import Model, Signal
from scoring.times import Int64

SignalFunction = Callable[[Facts, Signal], Int64]
"""Sub-scores 0..100000 of n accounts, MISSING where there is no evidence."""

AccountFunction = Callable[[AccountFacts, Signal], int | None]
"""The value x before the curve, None where there is no evidence. A function of its arguments and nothing else."""

SIGNALS: Final[dict[str, tuple[SignalFunction, frozenset[str]]]] = {}
LONGEST_WEEKS: Final[dict[str, int]] = {}
TOUCH_WEEKS: Final = 14
"""What the rings of engagement can answer: 16 weeks, less the present one and one that is rolled ahead."""
_ALWAYS = frozenset({"weight", "curve"})
_FARTHEST = 2.0**53
"""Beyond any curve."""


def signal(*options: str, longest_weeks: int = 30) -> Callable[[SignalFunction], SignalFunction]:
    """Register a signal under the name of its function; `options` are the model options it needs.

    `longest_weeks`: the largest window its rings can answer.
    """

    def register(function: SignalFunction) -> SignalFunction:
        SIGNALS[function.__name__] = function, frozenset(options)
        LONGEST_WEEKS[function.__name__] = longest_weeks
        return function

    return register


def account_signal(*options: str) -> Callable[[AccountFunction], AccountFunction]:
    """Register a signal written for one account at a time: plain Python, about ten times slower than columns."""

    def register(function: AccountFunction) -> AccountFunction:
        def over_all(f: Facts, s: Signal) -> Int64:
            told = (function(f.account(i), s) for i in range(len(f)))
            x = np.array([np.nan if value is None else value for value in told], np.float64)
            known = ~np.isnan(x)
            within = np.clip(np.where(known, x, 0), -_FARTHEST, _FARTHEST)  # as a cast of more is not defined
            values = curve(within.astype(np.int64), s.curve)
            return np.where(known, values, MISSING)

        SIGNALS[function.__name__] = over_all, frozenset(options)
        return function

    return register


def unusable(model: Model) -> list[str]:
    """What in a model does not fit the signals: unknown names, missing or unknown options. Empty if all fits."""
    faults = []
    for dimension, spec in model.dimensions.items():
        for name, options in spec.signals.items():
            if name not in SIGNALS:
                faults.append(f"{dimension}.{name}: no such signal, known are {', '.join(sorted(SIGNALS))}")
                continue
            given = frozenset(options.model_fields_set) - _ALWAYS
            needed = SIGNALS[name][1]
            faults += [f"{dimension}.{name}: needs the option {o}" for o in sorted(needed - given)]
            longest = LONGEST_WEEKS.get(name, 0)
            if options.window_weeks and options.window_weeks > longest:
                faults.append(f"{dimension}.{name}: window_weeks may be {longest} at most")
            faults += [f"{dimension}.{name}: does not use the option {o}" for o in sorted(given - needed)]
    return faults
