"""What the parts of a model file share: strict parsing, names of tiers and bands, numbers by tier."""

from __future__ import annotations

from typing import Annotated, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

TierName = Literal["high_touch", "low_touch", "tech_touch"]
TIER_NAMES: Final[tuple[TierName, ...]] = get_args(TierName)
BandName = Literal["red", "amber", "green"]
PerTier = dict[TierName, Annotated[int, Field(ge=1, le=10_000)]]
"""A number for each tier."""


class Strict(BaseModel):
    """Unknown keys are an error, and nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
