"""Sentiment: what people answered, fading towards neutral as the newest answer ages."""

from __future__ import annotations

import numpy as np

from scoring.curves import FULL, MILLION, curve, half_life
from scoring.facts import Facts
from scoring.layout import MISSING, SURVEY_KINDS
from scoring.model import Signal
from scoring.signals.registry import signal
from scoring.times import HOUR, Int64

_NEUTRAL = FULL // 2


def _faded(f: Facts, s: Signal, kind: str) -> Int64:
    slot = SURVEY_KINDS.index(kind)
    mean = f.vector("survey_mean")[slot]
    hours = (f.at - f.vector("survey_ts")[slot]) // HOUR
    fresh = half_life(hours, 24 * (s.half_life_days or 1))
    sub = _NEUTRAL + (curve(mean, s.curve) - _NEUTRAL) * fresh // MILLION
    return np.where(f.vector("survey_n")[slot] > 0, sub, MISSING)


@signal("half_life_days")
def nps(f: Facts, s: Signal) -> Int64:
    """Net promoter answers: mean of each respondent's newest."""
    return _faded(f, s, "nps")


@signal("half_life_days")
def csat(f: Facts, s: Signal) -> Int64:
    """Customer satisfaction answers."""
    return _faded(f, s, "csat")


@signal("half_life_days")
def ces(f: Facts, s: Signal) -> Int64:
    """Customer effort answers."""
    return _faded(f, s, "ces")
