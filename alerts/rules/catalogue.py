"""Every rule there is, built from the options of a model; a rule that the model does not name is off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from alerts.rules.advocate import Advocate
from alerts.rules.auto_renew_off import AutoRenewOff
from alerts.rules.band_entered import BandEntered
from alerts.rules.base import Described, FactRule, LevelRule, TickFactRule
from alerts.rules.churn_notice import ChurnNotice
from alerts.rules.complaint import Complaint
from alerts.rules.coverage_lost import CoverageLost
from alerts.rules.cross_sell import CrossSell
from alerts.rules.detractor import Detractor
from alerts.rules.falling_sentiment import FallingSentiment
from alerts.rules.feature_declined import FeatureDeclined
from alerts.rules.invoice_overdue import InvoiceOverdue
from alerts.rules.low_adoption import LowAdoption
from alerts.rules.no_two_way_contact import NoTwoWayContact
from alerts.rules.no_value import NoValue
from alerts.rules.onboarding_overdue import OnboardingOverdue
from alerts.rules.payment_failure import PaymentFailure
from alerts.rules.rapid_drop import RapidDrop
from alerts.rules.renewal_approaching import RenewalApproaching
from alerts.rules.silence import SilenceEngagement, SilenceUsage
from alerts.rules.sponsor_departed import SponsorDeparted
from alerts.rules.stalled_implementation import StalledImplementation
from alerts.rules.strategy_change import StrategyChange
from alerts.rules.support_cluster import SupportCluster
from alerts.rules.upsell import Upsell
from alerts.rules.urgent_ticket_ageing import UrgentTicketAgeing
from scoring.model import Model

LEVELS: Final[dict[str, Callable[[Any], LevelRule]]] = {
    "rapid_drop": RapidDrop,
    "silence_usage": SilenceUsage,
    "silence_engagement": SilenceEngagement,
    "urgent_ticket_ageing": UrgentTicketAgeing,
    "support_cluster": SupportCluster,
    "detractor": Detractor,
    "falling_sentiment": FallingSentiment,
    "invoice_overdue": InvoiceOverdue,
    "no_two_way_contact": NoTwoWayContact,
    "onboarding_overdue": OnboardingOverdue,
    "no_value": NoValue,
    "stalled_implementation": StalledImplementation,
    "low_adoption": LowAdoption,
    "feature_declined": FeatureDeclined,
    "strategy_change": StrategyChange,
    "coverage_lost": CoverageLost,
    "upsell": Upsell,
    "cross_sell": CrossSell,
    "advocate": Advocate,
}
"""Conditions decided at ticks; `band_entered`, which needs more of the model, comes before them."""
FACTS: Final[dict[str, Callable[[Any], FactRule]]] = {
    "complaint": Complaint,
    "payment_failure": PaymentFailure,
    "sponsor_departed": SponsorDeparted,
    "churn_notice": ChurnNotice,
    "auto_renew_off": AutoRenewOff,
}
"""Facts that events make known."""
TICK_FACTS: Final[dict[str, Callable[[Any], TickFactRule]]] = {"renewal_approaching": RenewalApproaching}
"""Facts that the clock makes known."""


def level_rules(model: Model) -> list[LevelRule]:
    """The level rules of a model."""
    entered = model.rules.band_entered
    first: list[LevelRule] = [BandEntered(entered, model.ceilings)] if entered else []
    return first + [build(o) for name, build in LEVELS.items() if (o := _options(model, name))]


def fact_rules(model: Model) -> list[FactRule]:
    """The rules of a model about facts that events make known."""
    return [build(o) for name, build in FACTS.items() if (o := _options(model, name))]


def tick_fact_rules(model: Model) -> list[TickFactRule]:
    """The rules of a model about facts that the clock makes known."""
    return [build(o) for name, build in TICK_FACTS.items() if (o := _options(model, name))]


def all_rules(model: Model) -> list[Described]:
    """Every rule of a model."""
    return [*level_rules(model), *fact_rules(model), *tick_fact_rules(model)]


def _options(model: Model, rule: str) -> Any:  # noqa: ANN401 - options differ in type
    """What the model says of a rule, None if it is off; silence is one entry for every source it names."""
    name, _, source = rule.partition("_")
    if name != "silence":
        return getattr(model.rules, rule)
    silence = model.rules.silence
    return silence if silence and source in silence.sources else None
