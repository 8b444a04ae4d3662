"""The planted stories: what happens to a few accounts of the fleet, and which alert has to tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from scoring.times import DAY

Change = dict[str, object]
"""Fields of an event besides `event_id`, `account_id` and `ts`."""


@dataclass(frozen=True)
class Step:
    """One event of a story, `before_end` milliseconds before the end of the fleet's time."""

    before_end: int
    fields: Change


@dataclass(frozen=True)
class Story:
    """What is planted in one account. `rule` None: nothing must fire."""

    name: str
    title: str
    account_name: str
    tier: Literal["high_touch", "low_touch", "tech_touch"]
    rule: Literal["band_entered", "complaint"] | None
    steps: tuple[Step, ...] = ()
    turn_before: int = 0
    """Days before the end of time when usage begins to change; 0 if it does not."""
    turn_days: int = 1
    """Days the change takes."""
    usage_after: float = 1.0
    """Usage after the change, as a multiple of the account's normal."""
    quiet_support: bool = False
    """The account never writes to support."""
    unpaid_days: int = 0
    """Invoices of the last so many days are issued and not paid."""


def _at(days: float, **fields: object) -> Step:
    return Step(round(days * DAY), fields)


def _survey(days: float, kind: str, score: int, who: str) -> Step:
    return _at(days, type="survey", kind=kind, score=score, respondent_id=who)


def _ticket(days: float, action: str, ticket: str, **fields: object) -> Step:
    return _at(days, type="ticket", action=action, ticket_id=ticket, **fields)


def _invoice(days: float, action: str, **fields: object) -> Step:
    return _at(days, type="invoice", action=action, invoice_id="INV-4711", **fields)


SLOW_FADE: Final = Story(
    "slow_fade",
    "usage declines over 60 days, nobody complains",
    "Larkspur Analytics",
    "tech_touch",
    "band_entered",
    (
        _survey(26, "nps", 5, "champion"),
        _survey(19, "csat", 2, "admin"),
        _at(12, type="account", action="plan_changed", plan="starter", mrr=490.0, currency="USD"),
        _survey(9, "nps", 3, "champion"),
    ),
    turn_before=96,
    turn_days=60,
    usage_after=0.0,
    quiet_support=True,
)
BILLING_DISPUTE: Final = Story(
    "billing_dispute",
    "an invoice is disputed, payments fail, people stop coming",
    "Quarry & Finch",
    "tech_touch",
    "band_entered",
    (
        _invoice(92, "issued", amount=3100.0, currency="USD"),
        _invoice(62, "overdue", days_late=1),
        _invoice(58, "disputed"),
        _invoice(44, "payment_failed"),
        _invoice(30, "payment_failed"),
        _invoice(16, "payment_failed"),
        _survey(21, "csat", 1, "finance"),
        _survey(20, "nps", 1, "finance"),
        _survey(14, "nps", 2, "champion"),
    ),
    turn_before=68,
    turn_days=21,
    usage_after=0.0,
    unpaid_days=94,
)
URGENT_TICKET: Final = Story(
    "urgent_ticket",
    "an urgent ticket ages until the customer complains",
    "Brightwater Logistics",
    "low_touch",
    "complaint",
    (
        _ticket(6, "opened", "T-9001", priority="urgent", topic="exports time out"),
        _ticket(4.5, "updated", "T-9001", escalated=True),
        _ticket(3, "updated", "T-9001", complaint=True, category="outage"),
    ),
)
CHURN_NOTICE: Final = Story(
    "churn_notice",
    "a happy-looking account gives notice",
    "Tamarack Foods",
    "high_touch",
    "band_entered",
    (_at(5, type="account", action="churn_notice", renewal_date="2099-01-01"),),
)
HEALTHY_GROWER: Final = Story(
    "healthy_grower",
    "usage, seats and revenue grow, and nothing must fire",
    "Juniper Robotics",
    "low_touch",
    None,
    (
        _at(
            55, type="account", action="plan_upgraded", plan="business", mrr=3900.0, currency="USD", seats=34
        ),
        _at(20, type="account", action="updated", mrr=4600.0, currency="USD", seats=40),
        _survey(15, "nps", 10, "champion"),
    ),
    turn_before=90,
    turn_days=85,
    usage_after=1.9,
)
STORIES: Final = (SLOW_FADE, BILLING_DISPUTE, URGENT_TICKET, CHURN_NOTICE, HEALTHY_GROWER)
"""Story i happens to account i of the fleet."""
BY_NAME: Final = {story.name: story for story in STORIES}
SHORTEST_DAYS: Final = 100
"""A fleet needs that much time for every story to unfold."""
