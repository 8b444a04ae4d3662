"""The tick fact `renewal_approaching`: a ladder of days before notice must be given (section 8)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from tests.oracle.account import AccountRow, Item
from tests.oracle.alerting import AlertLine, alert, shown_band
from tests.oracle.instants import DAY, millis

RULE = "renewal_approaching"


def renewal_date(row: AccountRow) -> str | None:
    """The day of the renewal as said, if it is one."""
    said = str(row.attribute("renewal_date") or "")[:10]
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", said) or said < "1970":
        return None
    try:
        date.fromisoformat(said)
    except ValueError:
        return None
    return said


def renewal(row: AccountRow) -> int | None:
    """Midnight of the renewal."""
    said = renewal_date(row)
    return None if said is None else millis(said)


def deadline(row: AccountRow) -> int | None:
    """The last moment to give notice."""
    time = renewal(row)
    return None if time is None else max(time - (row.attribute("notice_days") or 0) * DAY, 0)


def current_item(row: AccountRow, now: int, rungs: list[int]) -> str | None:
    """Date and rung the account stands on; None if none."""
    time, last = renewal(row), deadline(row)
    if time is None or last is None or now >= time:
        return None
    reached = [rung for rung in rungs if last - now <= rung * DAY]
    return f"{renewal_date(row)}/{min(reached)}" if reached else None


def renewals(row: AccountRow, now: int, rules: dict[str, Any]) -> Iterator[AlertLine]:
    """What the ladder decides at a tick."""
    if RULE not in rules:
        return
    options, items = rules[RULE], row.term.standing.items[RULE]
    current = None if row.was_ended else current_item(row, now, options["rungs"])
    stands = current is not None and shown_band(row) in options["bands"]
    for key, item in sorted(items.items()):
        if item.firing and not (stands and key == current):
            item.firing = False
            yield alert(row, RULE, "resolved", now, key)
        passed = now >= millis(key[:10]) or key[:10] != renewal_date(row)
        if not item.firing and passed:
            del items[key]
    if stands and current is not None and current not in items:
        items[current] = Item(now)
        yield alert(row, RULE, "firing", now, current)
