"""What each rule says of an account, when it fires and when it is over. Pure."""

from __future__ import annotations

from typing import Final

from alerts.model import Alert, Kind, Phase, Reason

_RULES: Final = {
    "advocate": ("could be an advocate", "is no advocate at the moment"),
    "auto_renew_off": ("switched automatic renewal off", "has automatic renewal on again"),
    "band_entered": ("turned {band}", "is {band} again"),
    "churn_notice": ("gave notice", "has withdrawn its notice"),
    "complaint": ("has an open complaint", "has its complaint settled"),
    "coverage_lost": ("lost much of the evidence for its score", "has evidence for its score again"),
    "cross_sell": ("may need another product", "is no cross-sell candidate any more"),
    "detractor": ("has a detractor among its people", "has had no detractor for a while"),
    "falling_sentiment": ("gives lower and lower survey scores", "no longer gives lower survey scores"),
    "feature_declined": ("was told that a feature it wanted will not come", "has had no declined feature for a while"),
    "invoice_overdue": ("has an invoice long overdue", "has no invoice long overdue any more"),
    "low_adoption": ("uses few of its seats", "uses more of its seats"),
    "no_two_way_contact": ("has had no two-way contact for too long", "is in two-way contact again"),
    "no_value": ("has seen no value for too long", "sees value again"),
    "onboarding_overdue": ("is late with its onboarding", "is onboarded"),
    "payment_failure": ("has a payment that keeps failing", "has its failed payment settled"),
    "rapid_drop": ("loses points fast", "no longer loses points fast"),
    "renewal_approaching": ("comes up for renewal unhealthy", "is past this step of its renewal"),
    "silence_engagement": ("has gone silent", "is in touch again"),
    "silence_usage": ("has stopped using the product", "uses the product again"),
    "sponsor_departed": ("lost its sponsor", "has a sponsor again"),
    "stalled_implementation": ("is stuck in its implementation", "moves on with its implementation"),
    "strategy_change": ("changes its strategy", "has had no change of strategy for a while"),
    "support_cluster": ("has a cluster of support tickets", "has as many support tickets as usual again"),
    "upsell": ("is ready for more seats", "no longer needs more seats"),
    "urgent_ticket_ageing": ("has an urgent ticket open for too long", "has no urgent ticket open too long any more"),
}  # fmt: skip
_UNKNOWN: Final = ("has {rule}", "no longer has {rule}")
_ENDED: Final = "{rule} closed, the account ended"


def label(alert: Alert) -> str:
    """How urgent it is, in a word: the severity, `Opportunity` or `Resolved`."""
    if alert.phase is Phase.RESOLVED:
        return "Resolved"
    return "Opportunity" if alert.kind is Kind.OPPORTUNITY else alert.severity.capitalize()


def happened(alert: Alert, band: str) -> str:
    """What happened to the account, to follow its name; `band` in words. May hold text from outside."""
    rule = alert.rule.replace("_", " ")
    resolved = alert.phase is Phase.RESOLVED
    if resolved and alert.reason is Reason.ACCOUNT_ENDED:
        return _ENDED.format(rule=rule)
    return _RULES.get(alert.rule, _UNKNOWN)[resolved].format(rule=rule, band=band)
