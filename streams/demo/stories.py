"""The planted stories. Story i happens to account i of the fleet; the outage happens to all."""

from __future__ import annotations

from typing import Final

from streams.demo.story import Outage, Story, at, invoice, survey, ticket, touch

SLOW_FADE: Final = Story(
    "slow_fade",
    "usage declines over 50 days, nobody complains",
    "Larkspur Analytics",
    "tech_touch",
    ("rapid_drop", "detractor", "silence_usage", "band_entered"),
    (
        at(40, type="account", action="plan_changed", plan="starter", mrr=490.0, currency="USD"),
        survey(32, "csat", 1, "admin"),
        survey(26, "nps", 3, "champion"),
    ),
    turn_before=92,
    turn_days=50,
    usage_after=0.0,
    quiet_support=True,
)
DEPARTING_CHAMPION: Final = Story(
    "departing_champion",
    "the champion leaves, and nobody else ever answered",
    "Halcyon Instruments",
    "high_touch",
    ("sponsor_departed", "no_two_way_contact", "renewal_approaching"),
    (
        touch(82, "email", direction="inbound", contact_id="champion", role="champion"),
        touch(80, "email", direction="inbound", contact_id="champion", role="champion", departed=True),
        touch(76, "email", direction="outbound", contact_id="executive"),
        touch(60, "email", direction="outbound", contact_id="executive"),
        touch(41, "email", direction="outbound", contact_id="executive"),
        survey(35, "csat", 2, "admin"),
        survey(33, "nps", 3, "admin"),
        touch(13, "call", direction="outbound", contact_id="executive"),
    ),
    turn_before=79,
    turn_days=35,
    usage_after=0.05,
    alone_before=81,
    renews_in=118,
)
BILLING_DISPUTE: Final = Story(
    "billing_dispute",
    "an invoice is disputed, payments fail, people stop coming",
    "Quarry & Finch",
    "tech_touch",
    ("invoice_overdue", "payment_failure", "detractor", "band_entered"),
    (
        invoice(92, "issued", "INV-4711", amount=3100.0, currency="USD"),
        invoice(62, "overdue", "INV-4711", days_late=1),
        invoice(58, "disputed", "INV-4711"),
        invoice(44, "payment_failed", "INV-4711"),
        invoice(30, "payment_failed", "INV-4711"),
        invoice(16, "payment_failed", "INV-4711"),
        survey(21, "csat", 1, "finance"),
        survey(20, "nps", 1, "finance"),
        survey(14, "nps", 2, "champion"),
    ),
    turn_before=68,
    turn_days=30,
    usage_after=0.0,
    unpaid_before=94,
    alone_before=56,
)
URGENT_TICKET: Final = Story(
    "urgent_ticket",
    "an urgent ticket ages until the customer complains",
    "Brightwater Logistics",
    "low_touch",
    ("support_cluster", "urgent_ticket_ageing", "complaint"),
    (
        ticket(8.1, "opened", "T-9001", priority="urgent", topic="exports time out"),
        ticket(7.4, "opened", "T-9002", priority="high", topic="exports time out"),
        ticket(6.6, "opened", "T-9003", priority="normal", topic="missing rows"),
        ticket(6.2, "closed", "T-9003", resolution_hours=9.5),
        ticket(5.5, "updated", "T-9001", escalated=True),
        ticket(3.3, "updated", "T-9001", complaint=True, category="outage"),
    ),
)
UPSELL: Final = Story(
    "upsell",
    "team after team comes on board, the seats run out",
    "Juniper Robotics",
    "low_touch",
    ("upsell", "advocate"),
    (
        at(55, type="account", action="plan_upgraded", plan="business"),
        at(30, type="milestone", kind="goal_progress", value=100),
        survey(15, "nps", 10, "champion"),
    ),
    turn_before=90,
    turn_days=60,
    usage_after=1.9,
)
CHURN_NOTICE: Final = Story(
    "churn_notice",
    "a happy-looking account gives notice",
    "Tamarack Foods",
    "high_touch",
    ("auto_renew_off", "churn_notice", "band_entered"),
    (
        at(9.4, type="account", action="updated", auto_renew=False),
        at(5.2, type="account", action="churn_notice"),
    ),
)
WEDNESDAYS_ONLY: Final = Story(
    "wednesdays_only",
    "comes on Wednesdays only, as ever: nothing may fire",
    "Pemberton Press",
    "tech_touch",
    (),
    workdays=(2,),
)
STORIES: Final = (
    SLOW_FADE, DEPARTING_CHAMPION, BILLING_DISPUTE, URGENT_TICKET, UPSELL, CHURN_NOTICE, WEDNESDAYS_ONLY,
)  # fmt: skip
"""Story i happens to account i of the fleet."""
OUTAGE: Final = Outage(
    "usage_outage", "the usage feed is dead for three days: nobody fell silent", "usage", before=46, days=3
)
NAMES: Final = (*(story.name for story in STORIES), OUTAGE.name)
"""What `--without` knows."""
SHORTEST_DAYS: Final = 120
"""A fleet needs that much time for every story to unfold."""
