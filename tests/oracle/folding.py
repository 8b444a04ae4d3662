"""What one event changes in an account (section 4)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from scoring.events import Account as AccountEvent
from tests.oracle.account import AccountRow, News
from tests.oracle.contacts import contact_name, contact_of
from tests.oracle.entities import invoice_of, newest_answers, ticket_of
from tests.oracle.instants import day, month
from tests.oracle.milestones import milestones_of, override_of
from tests.oracle.reading import Event, ends_account, minor, normalised

KEPT_MONTHS = 14
KEPT_IDS = {"usage": 32, "engagement": 64}
SEEN_AS_ACCOUNT = ("outcome", "override", "cost")


def apply(row: AccountRow, event: Event) -> bool:
    """Fold an event into the account; False if nothing was left to apply."""
    new = FOLDS[event.kind](row, event)
    term, seen_as = row.term, "account" if event.kind in SEEN_AS_ACCOUNT else event.kind
    term.first_ts = _extreme(min, term.first_ts, event.time)
    term.last_seen[seen_as] = _extreme(max, term.last_seen.get(seen_as), event.time)
    row.version += 1
    return new


def _extreme(which: Callable[[int, int], int], known: int | None, time: int) -> int:
    return time if known is None else which(known, time)


def _seen_before(row: AccountRow, event: Event) -> bool:
    """Whether the event's id was used on its day not long ago; if not, it is remembered."""
    pair, recent = (event.event_id, day(event.time)), row.recent_ids[event.kind]
    if pair in recent:
        return True
    row.recent_ids[event.kind] = [*recent, pair][-KEPT_IDS[event.kind] :]
    return False


def _usage(row: AccountRow, event: Event) -> bool:
    if _seen_before(row, event):
        return False
    row.term.usage.append(event)
    return True


def _ticket(row: AccountRow, event: Event) -> bool:
    key = event.body["ticket_id"]
    events = row.term.tickets.get(key, [])
    before, after = ticket_of(events), ticket_of([*events, event])
    if before == after:
        return False
    if before.complaint_ts is None and after.complaint_ts is not None:
        row.term.news.append(News("complaint", key, event.time))
    row.term.tickets[key] = [*events, event]
    return True


def _invoice(row: AccountRow, event: Event) -> bool:
    key = event.body["invoice_id"]
    events = row.term.invoices.get(key, [])
    after = invoice_of([*events, event])
    if events and invoice_of(events) == after:
        return False
    failures = len(invoice_of(events).failed) if events else 0
    if len(after.failed) > failures:
        row.term.news.append(News("payment_failure", key, event.time, len(after.failed)))
    row.term.invoices[key] = [*events, event]
    return True


def _survey(row: AccountRow, event: Event) -> bool:
    body, answers = event.body, row.term.answers[event.body["kind"]]
    response = body.get("response_id") or event.event_id
    respondent = body.get("respondent_id") or response
    answer = (event.time, response, normalised(body) or 0)
    present = answers.get(respondent)
    if present is not None and answer[:2] <= present[:2]:
        return False
    kept = newest_answers({**answers, respondent: answer})
    row.term.answers[body["kind"]] = kept
    return kept != answers


def _engagement(row: AccountRow, event: Event) -> bool:
    if _seen_before(row, event):
        return False
    row.term.engagement.append(event)
    who = contact_name(event)
    if who is not None:
        events = row.term.contacts.get(who, [])
        had_left = bool(events) and contact_of(events).left_as_sponsor
        if contact_of([*events, event]).left_as_sponsor and not had_left:
            row.term.news.append(News("sponsor_departed", who, event.time))
        row.term.contacts[who] = [*events, event]
    return True


def _milestone(row: AccountRow, event: Event) -> bool:
    """A first value is always new: usage tells the same registers."""
    before, events = row.term.milestones, [*row.term.milestones, event]
    if event.body["kind"] != "first_value" and milestones_of(before) == milestones_of(events):
        return False
    row.term.milestones = events
    return True


def _override(row: AccountRow, event: Event) -> bool:
    said = override_of(event)
    if row.override is not None and said <= row.override:
        return False
    row.override = said
    return True


def _account(row: AccountRow, event: Event) -> bool:
    before, was_off = _registers(row), row.attribute("auto_renew") is False
    for name in AccountEvent.ATTRIBUTES:
        if event.body.get(name) is not None:
            value = _attribute_value(name, event.body)
            said = (event.time, json.dumps(value, ensure_ascii=False), value)
            row.attributes[name] = max(row.attributes.get(name, said), said, key=lambda v: v[:2])
    if event.body.get("mrr") is not None:
        _add_mrr(row, event)
    _add_times(row, event)
    if row.attribute("auto_renew") is False and not was_off:
        row.term.news.append(News("auto_renew_off", str(event.time), event.time))
    return _registers(row) != before


def _add_times(row: AccountRow, event: Event) -> None:
    action = event.body["action"]
    if action in ("created", "signup", "subscription_started"):
        row.term.created_ts = _extreme(min, row.term.created_ts, event.time)
    if action in ("signup", "subscription_started"):
        row.started_ts = _extreme(max, row.started_ts, event.time)
    if action == "churn_notice":
        if row.churn_notice_ts is None or event.time > row.churn_notice_ts:
            row.term.news.append(News("churn_notice", str(event.time), event.time))
        row.churn_notice_ts = _extreme(max, row.churn_notice_ts, event.time)
    if event.body.get("auto_renew") is True:
        row.auto_renew_on_ts = _extreme(max, row.auto_renew_on_ts, event.time)


def _registers(row: AccountRow) -> tuple[Any, ...]:
    times = (row.term.created_ts, row.started_ts, row.churn_notice_ts, row.auto_renew_on_ts)
    return (*times, dict(row.attributes), dict(row.mrr))


def _attribute_value(name: str, body: dict[str, Any]) -> Any:
    value = body[name]
    if name == "mrr":
        return minor(value, body.get("currency"))
    return float(value) if name == "icp_fit" and type(value) is int else value


def _add_mrr(row: AccountRow, event: Event) -> None:
    said = (event.time, max(minor(event.body["mrr"], event.body.get("currency")), 0))
    which = month(event.time)
    row.mrr[which] = max(row.mrr.get(which, said), said)
    row.mrr = {m: row.mrr[m] for m in sorted(row.mrr)[-KEPT_MONTHS:]}


def _outcome(row: AccountRow, event: Event) -> bool:
    if ends_account(event.body):
        row.ended_ts = _extreme(max, row.ended_ts, event.time)
    return True


def _cost(_row: AccountRow, _event: Event) -> bool:
    return True


FOLDS: dict[str, Callable[[AccountRow, Event], bool]] = {
    "usage": _usage,
    "ticket": _ticket,
    "invoice": _invoice,
    "survey": _survey,
    "engagement": _engagement,
    "milestone": _milestone,
    "override": _override,
    "cost": _cost,
    "account": _account,
    "outcome": _outcome,
}
