"""Options of the alert rules in a model file; the rules themselves are in `alerts.rules`, one module each."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scoring.model_parts import TIER_NAMES, BandName, PerTier, Strict

Severity = Literal["info", "warning", "critical"]
Days = Annotated[int, Field(ge=1, le=3650)]
Percent = Annotated[int, Field(ge=1, le=1000)]
Points = Annotated[int, Field(ge=1, le=100)]


class Rule(Strict):
    """What every rule takes: how urgent it is, and how long its condition must hold before it fires."""

    severity: Severity = "warning"
    hold_hours: Annotated[int, Field(ge=0, le=720)] = 0


class CriticalFact(Rule):
    """Somebody decided, or is gone."""

    severity: Severity = "critical"


class BandEntered(Rule):
    """The band is one of these."""

    severity: Severity = "critical"
    bands: tuple[BandName, ...] = ("red",)


class RapidDrop(Rule):
    """The score fell by that many points in 7 or in 28 days."""

    week_points: Points = 10
    month_points: Points = 15
    min_age_days: Annotated[int, Field(ge=0)] = 30
    """Age of the account from which scores are compared: before it, onboarding is scored and nothing else."""


class Silence(Rule):
    """Nothing for `factor` median gaps of the account's own rhythm, once it showed `minimum_gaps` of them."""

    hold_hours: Annotated[int, Field(ge=0, le=720)] = 24
    sources: tuple[Literal["usage", "engagement"], ...] = ("usage", "engagement")
    factor: Annotated[int, Field(ge=1, le=20)] = 3
    minimum_gaps: Annotated[int, Field(ge=1, le=100)] = 6


class TierDays(Rule):
    """A number of days for each tier."""

    days_per_tier: PerTier

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if set(self.days_per_tier) != set(TIER_NAMES):
            raise ValueError(f"days_per_tier: needs all of {', '.join(TIER_NAMES)}")
        return self


class UrgentTicketAgeing(Rule):
    """An urgent ticket is open for that many hours."""

    severity: Severity = "critical"
    hours_per_tier: PerTier

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if set(self.hours_per_tier) != set(TIER_NAMES):
            raise ValueError(f"hours_per_tier: needs all of {', '.join(TIER_NAMES)}")
        return self


class SupportCluster(Rule):
    """That many tickets in the window, and `factor` times the pace of the eight weeks up to now."""

    tickets: Annotated[int, Field(ge=1)] = 3
    window_days: Annotated[int, Field(ge=1, le=28)] = 7
    factor: Annotated[int, Field(ge=1, le=20)] = 2


class WithinDays(Rule):
    """Something happened less than that many days ago, or stands for that long."""

    days: Days


class InfoWithinDays(WithinDays):
    """The same, good to know."""

    severity: Severity = "info"


class FallingSentiment(WithinDays):
    """The newer half of the answers lies that many points below the older half."""

    points: Points = 15


class LowAdoption(Rule):
    """Fewer than that share of the seats is used."""

    percent: Percent = 25
    min_age_days: Annotated[int, Field(ge=0)] = 60


class PercentRule(Rule):
    """At least that share, good to know."""

    severity: Severity = "info"
    percent: Percent


class Offer(Strict):
    """Who uses one feature and not the other may want what is suggested."""

    uses: str
    lacks: str
    suggest: str


class CrossSell(Rule):
    """What may be offered to whom."""

    severity: Severity = "info"
    offers: tuple[Offer, ...] = ()


class PaymentFailure(Rule):
    """That many failed payments of one invoice."""

    attempts: Annotated[int, Field(ge=1, le=8)] = 2


class RenewalApproaching(Rule):
    """Days before the deadline (renewal less notice) at which an unhealthy account is pointed at."""

    rungs: Annotated[tuple[Days, ...], Field(min_length=1)] = (120, 90, 60, 30)
    bands: tuple[BandName, ...] = ("red", "amber")

    @model_validator(mode="after")
    def _descending(self) -> Self:
        if list(self.rungs) != sorted(set(self.rungs), reverse=True):
            raise ValueError("rungs: strictly descending numbers of days")
        return self


class Rules(Strict):
    """Alert rules; a rule that is not named is off."""

    band_entered: BandEntered | None = None
    rapid_drop: RapidDrop | None = None
    silence: Silence | None = None
    urgent_ticket_ageing: UrgentTicketAgeing | None = None
    support_cluster: SupportCluster | None = None
    detractor: WithinDays | None = None
    falling_sentiment: FallingSentiment | None = None
    invoice_overdue: WithinDays | None = None
    no_two_way_contact: TierDays | None = None
    onboarding_overdue: TierDays | None = None
    no_value: WithinDays | None = None
    stalled_implementation: WithinDays | None = None
    low_adoption: LowAdoption | None = None
    feature_declined: InfoWithinDays | None = None
    strategy_change: WithinDays | None = None
    coverage_lost: PercentRule | None = None
    upsell: PercentRule | None = None
    cross_sell: CrossSell | None = None
    advocate: InfoWithinDays | None = None
    complaint: Rule | None = None
    payment_failure: PaymentFailure | None = None
    sponsor_departed: CriticalFact | None = None
    churn_notice: CriticalFact | None = None
    auto_renew_off: CriticalFact | None = None
    renewal_approaching: RenewalApproaching | None = None
