"""The model file: which signals, with what weights and curves, make which score and band. YAML, validated, hashed."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from importlib.resources import files
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, model_validator

from scoring.layout import DIMENSIONS, TIERS
from scoring.model_parts import BandName, PerTier, Strict, TierName
from scoring.rule_options import Rules

LONGEST_CURVE = 1_000_000
"""Curves are worked out for every x."""
Milli = Annotated[int, Field(ge=0, le=100_000)]
Weight = Annotated[int, Field(ge=0, le=1000)]


class Signal(Strict):
    """One signal of a dimension. Options that a signal does not use are refused by `scoring.signals`."""

    weight: Annotated[int, Field(ge=1, le=1000)]
    curve: tuple[tuple[int, Milli], ...]
    window_days: Annotated[int, Field(ge=1, le=120)] | None = None
    window_weeks: Annotated[int, Field(ge=1, le=30)] | None = None
    half_life_days: Annotated[int, Field(ge=1, le=365)] | None = None
    recent_days: Annotated[int, Field(ge=1, le=60)] | None = None
    baseline_days: Annotated[int, Field(ge=14, le=110)] | None = None
    minimum: Annotated[int, Field(ge=0)] | None = None
    min_age_days: Annotated[int, Field(ge=0)] | None = None
    default_seats: Annotated[int, Field(ge=1)] | None = None
    days_per_tier: PerTier | None = None
    options: dict[str, int | float | str | bool] | None = None
    """Whatever a signal of yours wants to be told."""

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        xs = [x for x, _ in self.curve]
        if len(xs) < 2 or xs != sorted(set(xs)):
            raise ValueError("curve: needs two points or more, x strictly ascending")
        if xs[-1] - xs[0] > LONGEST_CURVE:
            raise ValueError(f"curve: x may span {LONGEST_CURVE:,} at most")
        if self.days_per_tier is not None and len(self.days_per_tier) < len(TIERS):
            raise ValueError(f"days_per_tier: needs all of {', '.join(TIERS)}")
        if (self.recent_days or 0) + (self.baseline_days or 0) > 120:
            raise ValueError("recent_days + baseline_days: at most 120, the ring holds 128")
        return self


class Dimension(Strict):
    """A weighted list of signals; `onboarding` dimensions count only for young accounts, the others only after."""

    weight: dict[TierName, Weight]
    signals: dict[str, Signal]
    onboarding: bool = False


class TierRule(Strict):
    """Gives a tier to accounts that name none; exactly one minimum."""

    tier: TierName
    min_mrr: int | None = None
    min_seats: int | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.min_mrr is None) == (self.min_seats is None):
            raise ValueError("tier rule: give either min_mrr (minor units) or min_seats")
        return self


class Bands(Strict):
    """Thresholds in thousandths, exits for hysteresis, hold times in hours."""

    red: Milli = 40_000
    red_exit: Milli = 45_000
    green: Milli = 70_000
    green_exit: Milli = 65_000
    hold_hours: dict[
        Literal["insufficient_data", "red", "amber", "green"], Annotated[int, Field(ge=0, le=720)]
    ] = Field(default={})

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.red <= self.red_exit <= self.green_exit <= self.green:
            raise ValueError("bands: need red <= red_exit <= green_exit <= green")
        return self


class OverdueCeiling(Strict):
    """Caps the band while an invoice is overdue that long."""

    band: BandName
    days: Annotated[int, Field(ge=1)]


class Ceilings(Strict):
    """Facts that cap the band, whatever the score."""

    churn_notice: BandName | None = None
    auto_renew_off: BandName | None = None
    invoice_overdue: OverdueCeiling | None = None


class Lifecycle(Strict):
    """Days an account counts as onboarding."""

    onboarding_days: Annotated[int, Field(ge=0, le=365)] = 30


class Model(Strict):
    """A whole model file."""

    name: str
    version: int = 1
    calibration: str = "none"
    minimum_coverage: Annotated[int, Field(ge=0, le=1000)] = 400
    default_tier: TierName = "low_touch"
    liveness_hours: Annotated[int, Field(ge=1, le=720)] = 36
    """A feed that told nothing for longer is dead, and what is missing from it says nothing."""
    tier_rules: tuple[TierRule, ...] = ()
    lifecycle: Lifecycle = Lifecycle()
    bands: Bands = Bands()
    ceilings: Ceilings = Ceilings()
    dimensions: dict[str, Dimension]
    rules: Rules = Rules()
    exchange_rates: dict[str, Annotated[float, Field(gt=0)]] = Field(default={})

    @model_validator(mode="after")
    def _known(self) -> Self:
        unknown = set(self.dimensions) - set(DIMENSIONS)
        if unknown:
            raise ValueError(
                f"dimensions: {', '.join(sorted(unknown))} unknown, known are {', '.join(DIMENSIONS)}"
            )
        return self

    @cached_property
    def hash(self) -> str:
        """Twelve hex digits over everything in the model, whatever the order of keys: on every score and alert."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[
            :12
        ]

    def weights(self, dimension: str) -> list[int]:
        """Weight of a dimension per tier, in the order of TIERS."""
        return [self.dimensions[dimension].weight.get(tier, 0) for tier in TIERS]


def parse_model(text: str) -> Model:
    """A model from YAML text. Raises pydantic.ValidationError or yaml.YAMLError saying what is wrong where."""
    loaded: Any = yaml.safe_load(text)
    return Model.model_validate(loaded)


def default_model() -> Model:
    """The model that comes with the package (`calibration: none`)."""
    return parse_model(files("scoring").joinpath("models/default.yaml").read_text("utf-8"))
