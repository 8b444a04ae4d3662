"""The event contract: one msgspec Struct per type, decoded once, straight from the wire.

Times stay RFC 3339 strings here (`scoring.times` turns whole columns of them into milliseconds at once);
everything else arrives checked. Unknown fields are ignored. JSON Schema and AsyncAPI are generated from these
classes (`streams.schemas`).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

import msgspec
from msgspec import Meta, Struct

MAX_VALUE_BYTES: Final = 1 << 20
"""Largest accepted record value."""

Text = Annotated[str, Meta(max_length=256)]
Id = Annotated[str, Meta(min_length=1, max_length=256)]
Timestamp = Annotated[
    str,
    Meta(
        min_length=20,
        max_length=40,
        description="RFC 3339 with offset",
        extra_json_schema={"format": "date-time"},
    ),
]
Amount = Annotated[float, Meta(ge=-1e12, le=1e12)]
Revenue = Annotated[float, Meta(ge=0, le=1e12)]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Tier = Literal["high_touch", "low_touch", "tech_touch"]


class Event(Struct, kw_only=True, gc=False):
    """What every event carries. `event_id` is unique per source, `account_id` is the message key."""

    event_id: Id
    account_id: Id
    ts: Timestamp


class Usage(Event, tag_field="type", tag="usage"):
    """Something was used: a quantity of a feature, by a user."""

    quantity: Annotated[float, Meta(ge=0, le=1e9)] = 1.0
    feature: Text | None = None
    counts: dict[Text, Annotated[float, Meta(ge=0, le=1e9)]] | None = None
    user_id: Text | None = None
    active_users: Count | None = None
    errors: Count = 0
    duration_s: Annotated[float, Meta(ge=0)] | None = None
    value_event: bool | None = None


class Ticket(Event, tag_field="type", tag="ticket"):
    """A support ticket was opened, changed, closed or reopened."""

    action: Literal["opened", "updated", "closed", "reopened"]
    ticket_id: Id
    priority: Literal["low", "normal", "high", "urgent", "medium", "critical"] | None = None
    escalated: bool = False
    complaint: bool = False
    category: Text | None = None
    topic: Text | None = None
    resolution_hours: Annotated[float, Meta(ge=0)] | None = None


class Invoice(Event, tag_field="type", tag="invoice"):
    """One step in the life of an invoice. `amount` in major units of `currency`."""

    action: Literal["issued", "paid", "overdue", "disputed", "refunded", "voided", "payment_failed"]
    invoice_id: Id
    amount: Amount | None = None
    currency: Text | None = None
    due_at: Timestamp | None = None
    days_late: Annotated[int, Meta(ge=-36500, le=36500)] | None = None
    period_months: Annotated[int, Meta(ge=0, le=1200)] | None = None


class Survey(Event, tag_field="type", tag="survey"):
    """An answer to a survey.

    `kind` nps, csat and ces are scored by the default model, others only if the model names them.
    """

    kind: Annotated[str, Meta(min_length=1, max_length=64)]
    score: Amount
    response_id: Id | None = None
    scale_min: Amount | None = None
    scale_max: Amount | None = None
    respondent_id: Id | None = None
    respondent_role: Text | None = None
    ticket_id: Id | None = None


class Account(Event, tag_field="type", tag="account"):
    """Attributes of the account; each is kept at its newest value. `mrr` in major units of `currency`."""

    action: Literal[
        "created", "updated", "signup", "subscription_started", "plan_changed", "plan_upgraded",
        "churn_notice", "observation_end", "subscription_ended",
    ]  # fmt: skip
    tier: Tier | None = None
    segment: Text | None = None
    plan: Text | None = None
    mrr: Revenue | None = None
    currency: Text | None = None
    seats: Count | None = None
    renewal_date: Text | None = None
    notice_days: Count | None = None
    auto_renew: bool | None = None
    owner: Text | None = None
    csm: Text | None = None
    lifecycle: Text | None = None
    parent_id: Text | None = None
    icp_fit: Text | float | bool | None = None
    name: Text | None = None
    scope: Literal["account", "subscription"] = "account"
    reason_class: Literal["cancellation", "closure", "non_renewal", "switch"] | None = None

    ATTRIBUTES: ClassVar[tuple[str, ...]] = (
        "tier", "segment", "plan", "mrr", "currency", "seats", "renewal_date", "notice_days",
        "auto_renew", "owner", "csm", "lifecycle", "parent_id", "icp_fit", "name",
    )  # fmt: skip


class Churn(Event, tag_field="type", tag="churn"):
    """Outcome: the account (or one subscription of it) ended. Never an input of the score."""

    scope: Literal["account", "subscription"] = "account"
    reason_class: Literal["cancellation", "closure", "non_renewal", "switch"] | None = None
    mrr: Revenue | None = None
    currency: Text | None = None


class Renewal(Event, tag_field="type", tag="renewal"):
    """Outcome: the account renewed. Never an input of the score."""

    scope: Literal["account", "subscription"] = "account"
    mrr: Revenue | None = None
    currency: Text | None = None


class Engagement(Event, tag_field="type", tag="engagement"):
    """A touch between people: who spoke in which direction, or what somebody read or attended."""

    channel: Literal["meeting", "email", "call", "marketing", "community", "knowledge_base", "training"]
    direction: Literal["inbound", "outbound", "two_way"] | None = None
    """Seen from the vendor. Left out: two_way for meeting, call and training, outbound for email, else inbound."""
    contact_id: Id | None = None
    role: Literal["executive", "champion", "user"] | None = None
    departed: bool | None = None


class Milestone(Event, tag_field="type", tag="milestone"):
    """A step on the customer's way. `value` in percent; `due_at` is when it is or was planned for."""

    kind: Literal["first_value", "onboarding_done", "goal_progress", "feature_declined", "strategy_change"]
    value: Annotated[float, Meta(ge=0, le=100)] | None = None
    due_at: Timestamp | None = None


class Override(Event, tag_field="type", tag="override"):
    """A person's judgement, shown beside the score until it expires, never in its place. A null value ends it."""

    reason: Text
    author: Id
    expires_at: Timestamp
    value: Annotated[float, Meta(ge=0, le=100)] | None = None


class Cost(Event, tag_field="type", tag="cost"):
    """Money spent on winning or keeping the account: for business metrics only, never an input of the score."""

    kind: Literal["acquisition", "retention"]
    amount: Amount
    currency: Text | None = None


AnyEvent = (
    Usage | Ticket | Invoice | Survey | Account | Churn | Renewal | Engagement | Milestone | Override | Cost
)
EVENT_TYPES: Final[tuple[type[Event], ...]] = (
    Usage, Ticket, Invoice, Survey, Account, Churn, Renewal, Engagement, Milestone, Override, Cost,
)  # fmt: skip
TYPE_NAMES: Final[tuple[str, ...]] = (
    "usage", "ticket", "invoice", "survey", "account", "churn", "renewal", "engagement", "milestone",
    "override", "cost",
)  # fmt: skip
SOURCES: Final[tuple[str, ...]] = ("usage", "tickets", "invoices", "surveys", "accounts", "engagement")
"""Input topics, in the order of the fence columns. Any event type is accepted on any of them."""

_SCALES: Final = {"nps": (0, 10_000), "csat": (1000, 5000), "ces": (1000, 7000), "any": (0, 100_000)}
"""Scale of each kind of survey in thousandths, and of those not named here."""
CURRENCY_DIGITS: Final[dict[str, int]] = {
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0,
    "UGX": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0, "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3,
    "LYD": 3, "OMR": 3, "TND": 3,
}  # fmt: skip
"""ISO 4217 minor-unit digits where they are not 2."""

decode: Final = msgspec.json.Decoder(AnyEvent).decode
"""JSON bytes to an event; raises msgspec.ValidationError (schema) or msgspec.DecodeError (not JSON)."""


def minor_units(amount: float, currency: str | None) -> int:
    """Money in minor units of its currency, rounded half to even."""
    digits = CURRENCY_DIGITS.get((currency or "").upper(), 2)
    return round(amount * float(10**digits))


def normalised_score(survey: Survey) -> int | None:
    """The answer on a scale of 0..100000, or None if it lies outside its scale or the scale is empty."""
    lo, hi = _SCALES.get(survey.kind, _SCALES["any"])
    if survey.scale_min is not None:
        lo = round(survey.scale_min * 1000)
    if survey.scale_max is not None:
        hi = round(survey.scale_max * 1000)
    value = round(survey.score * 1000)
    if not lo <= value <= hi or lo == hi:
        return None
    return (value - lo) * 100_000 // (hi - lo)
