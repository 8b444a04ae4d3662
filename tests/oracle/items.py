"""Fact rules: what happened once, told once (section 8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.oracle.account import AccountRow, Item, News
from tests.oracle.alerting import AlertLine, alert
from tests.oracle.contacts import present_sponsors

FACT_RULES = ("complaint", "payment_failure", "sponsor_departed", "churn_notice", "auto_renew_off")


def new_facts(row: AccountRow, rules: dict[str, Any]) -> Iterator[AlertLine]:
    """Facts that became known since the last tick, in the order of folding."""
    for news in row.term.news:
        items = row.term.standing.items[news.rule]
        if news.rule in rules and news.item not in items and _tells(news, items, rules[news.rule]):
            items[news.item] = Item(news.at)
            yield alert(row, news.rule, "firing", news.at, news.item)
    row.term.news.clear()


def _tells(news: News, items: dict[str, Item], options: dict[str, Any]) -> bool:
    if news.rule == "payment_failure":
        return bool(news.count == options["attempts"])
    if news.rule == "churn_notice":
        return not any(item.firing for item in items.values())
    return True


def settled_facts(row: AccountRow, now: int) -> Iterator[AlertLine]:
    """Facts that are over, and what may be forgotten of them."""
    for rule in FACT_RULES:
        items = row.term.standing.items[rule]
        for key, item in sorted(items.items()):
            if item.firing and (row.was_ended or _is_over(row, rule, key, item.at)):
                item.firing = False
                yield alert(row, rule, "resolved", now, key)
            if not item.firing and not _is_remembered(row, rule, key):
                del items[key]


def _is_over(row: AccountRow, rule: str, key: str, at: int) -> bool:
    tickets, invoices, contacts = row.remembered()
    if rule == "complaint":
        return key not in tickets or not tickets[key].is_open
    if rule == "payment_failure":
        return key not in invoices or not invoices[key].is_open
    if rule == "churn_notice":
        return not row.gave_notice
    if rule == "auto_renew_off":
        return row.attribute("auto_renew") is not False
    if key not in contacts or not contacts[key].departed:
        return True
    return any(c.reply_ts is not None and c.reply_ts > at for c in present_sponsors(contacts))


def _is_remembered(row: AccountRow, rule: str, key: str) -> bool:
    tickets, invoices, contacts = row.remembered()
    places: dict[str, Any] = {"complaint": tickets, "payment_failure": invoices, "sponsor_departed": contacts}
    return rule in places and key in places[rule]
