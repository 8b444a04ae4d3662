"""Account attributes: each the newest value told, by event time; MRR kept per month."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.events import Account, minor_units
from scoring.fold.outcomes import end
from scoring.fold.registers import canonical, earliest, keep_newest
from scoring.layout import MISSING, MONTHS, TIERS
from scoring.state import News, Store
from scoring.tail import Tail
from scoring.times import DAY, UNSET, Int64, day_start, month_of, month_of_day

_CREATES: Final = ("created", "signup", "subscription_started")
_STARTS: Final = ("signup", "subscription_started")
_ENDS: Final = ("observation_end", "subscription_ended")


def fold_accounts(store: Store, rows: Int64, events: Sequence[Any], times: Int64) -> NDArray[np.bool_]:
    """Fold account events; returns which changed anything."""
    new = np.ones(len(events), np.bool_)
    for i, (row, event, ts) in enumerate(zip(rows.tolist(), events, times.tolist(), strict=True)):
        if event.action in _ENDS:  # an outcome: what stands beside it must not become an input
            if event.action == "observation_end" or event.scope == "account":
                end(store, row, ts)
            continue
        tail = store.tail(row)
        changed, altered = _attributes(tail, event, ts)
        if "auto_renew" in altered and event.auto_renew is False:
            store.news.append(News("auto_renew_off", row, str(ts), ts))
        changed |= _mrr(store, row, tail, event, ts)
        changed |= _life(store, row, event, ts)
        new[i] = changed
        if altered:
            derive(store, row, tail)
        if changed:
            keep_newest(tail.recent, (ts, event.event_id, f"account {event.action}"))
    return new


def _attributes(tail: Tail, event: Account, ts: int) -> tuple[bool, set[str]]:
    """Whether the event is the newest that tells any attribute, and which of them have another value now."""
    changed, altered = False, set[str]()
    for name in Account.ATTRIBUTES:
        value = getattr(event, name)
        if value is None:
            continue
        if name == "mrr":
            value = minor_units(value, event.currency)
        known = tail.attributes.get(name)
        if known is None or ts > known[0] or (ts == known[0] and canonical(value) > canonical(known[1])):
            tail.attributes[name] = (ts, value)
            changed = True
            if known is None or known[1] != value:
                altered.add(name)
    return changed, altered


def _mrr(store: Store, row: int, tail: Tail, event: Account, ts: int) -> bool:
    if event.mrr is None:
        return False
    month, value = month_of(ts), minor_units(event.mrr, event.currency)
    known = tail.mrr_months.get(month)
    if known is not None and (ts, value) <= known:
        return False
    if known is None and len(tail.mrr_months) == MONTHS and month < min(tail.mrr_months):
        return False
    tail.mrr_months[month] = (ts, value)
    if known is not None and known[1] == value:
        return True  # told again: no month differs
    if len(tail.mrr_months) > MONTHS:
        del tail.mrr_months[min(tail.mrr_months)]
    fill_mrr(store, row)
    return True


def fill_mrr(store: Store, row: int) -> None:
    """The MRR column of the last months from the register: a month without an event has the MRR of the month before."""
    register = sorted((month, value) for month, (_, value) in store.tails[row].mrr_months.items())
    newest, value, told = month_of_day(store.day), MISSING, 0
    months = range(newest - MONTHS + 1, newest + 1)
    values = []
    for month in months:
        while told < len(register) and register[told][0] <= month:
            value = register[told][1]
            told += 1
        values.append(value)
    store.hot["mrr"][row, [month % MONTHS for month in months]] = values


def _life(store: Store, row: int, event: Account, ts: int) -> bool:
    hot, changed = store.hot, False
    if event.action in _CREATES:
        created = earliest(int(hot["created_ts"][row]), ts)
        changed |= created != hot["created_ts"][row]
        hot["created_ts"][row] = created
    newest = [("started_ts", event.action in _STARTS), ("churn_notice_ts", event.action == "churn_notice")]
    newest.append(("auto_renew_on_ts", event.auto_renew is True))
    for name, told in newest:
        if told and ts > hot[name][row]:
            hot[name][row] = ts
            changed = True
            if name == "churn_notice_ts":
                store.news.append(News("churn_notice", row, str(ts), ts))
    return changed


def derive(store: Store, row: int, tail: Tail) -> None:
    """The columns that summarise the attributes of an account."""
    tier, seats, renews = tail.value("tier"), tail.value("seats"), tail.value("auto_renew")
    store.hot["tier"][row] = MISSING if tier is None else TIERS.index(tier)
    store.hot["seats"][row] = seats or 0
    store.hot["auto_renew"][row] = MISSING if renews is None else int(renews)
    renewal = day_start(tail.value("renewal_date") or "")
    notice = DAY * (tail.value("notice_days") or 0)
    store.hot["renewal"][row] = renewal
    store.hot["deadline"][row] = UNSET if renewal == UNSET else max(renewal - notice, 0)
