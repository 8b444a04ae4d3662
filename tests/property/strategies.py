"""Random but believable histories of a few accounts."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from scoring.times import DAY, HOUR
from tests.property.feeds import START, event

ACCOUNTS = ("acme", "globex", "initech")
SPAN = 25 * DAY

times = st.integers(0, SPAN // 1000 - 1).map(lambda s: START + s * 1000)
who = st.sampled_from(ACCOUNTS)
names = st.sampled_from(["export", "search", "report", "share", "invite"])
people = st.sampled_from([f"u{n}" for n in range(12)])


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Absent half of the time."""
    return st.none() | strategy


def _made(type_: str, /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    told = st.fixed_dictionaries(fields).map(lambda d: {k: v for k, v in d.items() if v is not None})
    return st.builds(lambda at, account_id, rest: event(type_, at, account_id, **rest), times, who, told)


usage = _made(
    "usage", quantity=st.sampled_from([0, 1, 2.5, 40, 1e6]), feature=maybe(names), user_id=maybe(people), errors=st.integers(0, 3),
    active_users=maybe(st.integers(0, 30)), value_event=maybe(st.booleans()), counts=maybe(st.dictionaries(names, st.integers(0, 4), max_size=3)),
)  # fmt: skip
ticket = _made(
    "ticket", action=st.sampled_from(["opened", "updated", "closed", "reopened"]), ticket_id=st.sampled_from(["T1", "T2", "T3"]),
    priority=maybe(st.sampled_from(["low", "normal", "high", "urgent", "critical"])), complaint=st.booleans(), escalated=st.booleans(),
)  # fmt: skip
invoice = _made(
    "invoice", action=st.sampled_from(["issued", "paid", "overdue", "disputed", "refunded", "voided", "payment_failed"]),
    invoice_id=st.sampled_from(["I1", "I2"]), days_late=maybe(st.integers(-5, 90)),
    due_at=maybe(st.sampled_from(["2024-10-10T00:00:00Z", "2024-11-01T12:00:00+02:00"])),
)  # fmt: skip
failing = _made(
    "invoice",
    action=st.sampled_from(["issued", "paid", "payment_failed", "payment_failed"]),
    invoice_id=st.just("I1"),
)
"""Payments of one invoice, half of which fail."""
survey = _made(
    "survey", kind=st.sampled_from(["nps", "csat", "ces"]), score=st.integers(1, 5), respondent_id=maybe(people),
    scale_min=maybe(st.just(1)), scale_max=maybe(st.just(5)),
)  # fmt: skip
account = _made(
    "account", action=st.sampled_from(["created", "updated", "plan_changed", "plan_upgraded", "churn_notice"]), mrr=maybe(st.integers(0, 9000)),
    seats=maybe(st.integers(0, 300)), tier=maybe(st.sampled_from(["high_touch", "low_touch", "tech_touch"])), auto_renew=maybe(st.booleans()),
    owner=maybe(st.sampled_from(["ana", "bo"])), renewal_date=maybe(st.sampled_from(["2024-10-20", "2025-01-31T00:00:00Z", "soon"])),
    notice_days=maybe(st.integers(0, 40)),
)  # fmt: skip
engagement = _made(
    "engagement", channel=st.sampled_from(["meeting", "email", "call", "marketing", "community", "knowledge_base", "training"]),
    direction=maybe(st.sampled_from(["inbound", "outbound", "two_way"])), contact_id=maybe(st.sampled_from(["c1", "c2", "c3"])),
    role=maybe(st.sampled_from(["executive", "champion", "user"])), departed=maybe(st.booleans()),
)  # fmt: skip
milestone = _made(
    "milestone", kind=st.sampled_from(["first_value", "onboarding_done", "goal_progress", "feature_declined", "strategy_change"]),
    value=maybe(st.sampled_from([0, 12.5, 99, 100])), due_at=maybe(st.sampled_from(["2024-10-09T00:00:00Z", "2024-12-01T08:30:00-05:00"])),
)  # fmt: skip
override = _made(
    "override", reason=st.sampled_from(["merger", "knows better"]), author=st.sampled_from(["ana", "bo"]), value=maybe(st.integers(0, 100)),
    expires_at=st.sampled_from(["2024-10-15T00:00:00Z", "2025-01-01T00:00:00Z"]),
)  # fmt: skip
cost = _made("cost", kind=st.sampled_from(["acquisition", "retention"]), amount=st.integers(0, 500))
renewal = _made(
    "renewal", scope=st.sampled_from(["account", "subscription"]), mrr=maybe(st.integers(0, 9000))
)
churn = _made("churn", scope=st.sampled_from(["account", "subscription"]))
leaving = churn | _made(
    "account",
    action=st.sampled_from(["signup", "subscription_started", "subscription_ended", "observation_end"]),
)

BY_TYPE = {
    "usage": usage, "ticket": ticket, "invoice": invoice, "survey": survey, "account": account, "churn": churn, "renewal": renewal,
    "engagement": engagement, "milestone": milestone, "override": override, "cost": cost,
}  # fmt: skip
living = st.one_of(*(strategy for type_, strategy in BY_TYPE.items() if type_ != "churn"))
"""Events of accounts that stay."""
anything = st.one_of(living, living, leaving)
"""Ends and returns as well."""
END = START + SPAN + HOUR
