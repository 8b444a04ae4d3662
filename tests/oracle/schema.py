"""The event schema as a table: which fields each type has, and what they may hold."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

Check = Callable[[Any], bool]


def _text(longest: int = 256, shortest: int = 0) -> Check:
    return lambda v: isinstance(v, str) and shortest <= len(v) <= longest


def _number(low: float, high: float) -> Check:
    return lambda v: isinstance(v, int | float) and not isinstance(v, bool) and low <= v <= high


def _whole(low: int, high: int) -> Check:
    return lambda v: isinstance(v, int) and not isinstance(v, bool) and low <= v <= high


def _one_of(*values: str) -> Check:
    return lambda v: isinstance(v, str) and v in values


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _nullable(check: Check, *names: str) -> dict[str, Check]:
    return dict.fromkeys(names, lambda v: v is None or check(v))


def _counts(value: object) -> bool:
    return isinstance(value, dict) and all(TEXT(k) and QUANTITY(v) for k, v in value.items())


TEXT, ID, STAMP = _text(), _text(shortest=1), _text(40, 20)
REVENUE = _number(0, 1e12)
AMOUNT, COUNT, QUANTITY = _number(-1e12, 1e12), _whole(0, 1_000_000_000), _number(0, 1e9)
PERCENT = _number(0, 100)
POSITIVE, ANY_NUMBER = _number(0, sys.float_info.max), _number(-sys.float_info.max, sys.float_info.max)
SCOPE = _one_of("account", "subscription")
REASON = _one_of("cancellation", "closure", "non_renewal", "switch")

ACTIONS = {
    "ticket": ("opened", "updated", "closed", "reopened"),
    "invoice": ("issued", "paid", "overdue", "disputed", "refunded", "voided", "payment_failed"),
    "account": (
        "created", "updated", "signup", "subscription_started", "plan_changed", "plan_upgraded",
        "churn_notice", "observation_end", "subscription_ended",
    ),
}  # fmt: skip
REQUIRED: dict[str, dict[str, Check]] = {
    "usage": {},
    "ticket": {"action": _one_of(*ACTIONS["ticket"]), "ticket_id": ID},
    "invoice": {"action": _one_of(*ACTIONS["invoice"]), "invoice_id": ID},
    "survey": {"kind": _text(64, 1), "score": AMOUNT},
    "account": {"action": _one_of(*ACTIONS["account"])},
    "churn": {},
    "renewal": {},
    "engagement": {
        "channel": _one_of("meeting", "email", "call", "marketing", "community", "knowledge_base", "training")
    },
    "milestone": {
        "kind": _one_of(
            "first_value", "onboarding_done", "goal_progress", "feature_declined", "strategy_change"
        )
    },
    "override": {"reason": TEXT, "author": ID, "expires_at": STAMP},
    "cost": {"kind": _one_of("acquisition", "retention"), "amount": AMOUNT},
}
OPTIONAL: dict[str, dict[str, Check]] = {
    "usage": {
        "quantity": QUANTITY,
        "errors": COUNT,
        **_nullable(TEXT, "feature", "user_id"),
        **_nullable(_counts, "counts"),
        **_nullable(COUNT, "active_users"),
        **_nullable(POSITIVE, "duration_s"),
        **_nullable(_flag, "value_event"),
    },
    "ticket": {
        "escalated": _flag,
        "complaint": _flag,
        **_nullable(_one_of("low", "normal", "high", "urgent", "medium", "critical"), "priority"),
        **_nullable(TEXT, "category", "topic"),
        **_nullable(POSITIVE, "resolution_hours"),
    },
    "invoice": {
        **_nullable(AMOUNT, "amount"),
        **_nullable(TEXT, "currency"),
        **_nullable(STAMP, "due_at"),
        **_nullable(_whole(-36500, 36500), "days_late"),
        **_nullable(_whole(0, 1200), "period_months"),
    },
    "survey": {
        **_nullable(ID, "response_id", "respondent_id", "ticket_id"),
        **_nullable(AMOUNT, "scale_min", "scale_max"),
        **_nullable(TEXT, "respondent_role"),
    },
    "account": {
        "scope": SCOPE,
        **_nullable(_one_of("high_touch", "low_touch", "tech_touch"), "tier"),
        **_nullable(
            TEXT,
            "segment",
            "plan",
            "currency",
            "renewal_date",
            "owner",
            "csm",
            "lifecycle",
            "parent_id",
            "name",
        ),
        **_nullable(REVENUE, "mrr"),
        **_nullable(COUNT, "seats", "notice_days"),
        **_nullable(_flag, "auto_renew"),
        **_nullable(lambda v: TEXT(v) or _flag(v) or ANY_NUMBER(v), "icp_fit"),
        **_nullable(REASON, "reason_class"),
    },
    "churn": {
        "scope": SCOPE,
        **_nullable(REASON, "reason_class"),
        **_nullable(REVENUE, "mrr"),
        **_nullable(TEXT, "currency"),
    },
    "renewal": {"scope": SCOPE, **_nullable(REVENUE, "mrr"), **_nullable(TEXT, "currency")},
    "engagement": {
        **_nullable(_one_of("inbound", "outbound", "two_way"), "direction"),
        **_nullable(ID, "contact_id"),
        **_nullable(_one_of("executive", "champion", "user"), "role"),
        **_nullable(_flag, "departed"),
    },
    "milestone": {**_nullable(PERCENT, "value"), **_nullable(STAMP, "due_at")},
    "override": _nullable(PERCENT, "value"),
    "cost": _nullable(TEXT, "currency"),
}
KNOWN_TYPES = frozenset(REQUIRED)


def fits_schema(body: dict[str, Any]) -> bool:
    """Whether an object of a known type has its required fields and every known field holds what it may."""
    required = {"event_id": ID, "account_id": ID, "ts": STAMP, **REQUIRED[body["type"]]}
    if not all(name in body and check(body[name]) for name, check in required.items()):
        return False
    return all(check(body[name]) for name, check in OPTIONAL[body["type"]].items() if name in body)
