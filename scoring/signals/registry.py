"""The registry of signals, and the options each of them takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from scoring.facts import Facts
from scoring.model import Model, Signal
from scoring.times import Int64

SignalFunction = Callable[[Facts, Signal], Int64]
"""Sub-scores 0..100000 of n accounts, MISSING where there is no evidence."""

SIGNALS: Final[dict[str, tuple[SignalFunction, frozenset[str]]]] = {}
_ALWAYS = frozenset({"weight", "curve"})


def signal(*options: str) -> Callable[[SignalFunction], SignalFunction]:
    """Register a signal under the name of its function; `options` are the model options it needs."""

    def register(function: SignalFunction) -> SignalFunction:
        SIGNALS[function.__name__] = function, frozenset(options)
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
            faults += [f"{dimension}.{name}: does not use the option {o}" for o in sorted(given - needed)]
    return faults
