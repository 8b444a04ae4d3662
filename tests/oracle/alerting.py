"""Alerts: rules about bands, and complaints (section 8)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from tests.oracle.account import AccountRow
from tests.oracle.bands import BANDS, INSUFFICIENT
from tests.oracle.instants import HOUR

AlertLine = dict[str, Any]


def alert_id(*parts: object) -> str:
    """First 16 bytes, hex, of SHA-256 over account, rule, term and episode, joined by NUL."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).digest()[:16].hex()


def shown_band(row: AccountRow) -> str:
    """The name of the band as of the last tick."""
    return "ended" if row.was_ended else BANDS[row.term.standing.band]


def _line(row: AccountRow, rule: str, phase: str, at: int, episode: str) -> AlertLine:
    number = row.term.number
    return {
        "id": alert_id(row.account_id, rule, number, episode),
        "account_id": row.account_id,
        "rule": rule,
        "phase": phase,
        "at": at,
        "term": number,
        "episode": episode,
        "band": shown_band(row),
    }


def new_complaints(row: AccountRow) -> Iterator[AlertLine]:
    """Complaints that became known since the last tick."""
    for key, at in sorted(row.term.new_complaints.items()):
        row.term.standing.complaints.add(key)
        yield _line(row, "complaint", "firing", at, key)
    row.term.new_complaints.clear()


def settled_complaints(row: AccountRow, now: int) -> Iterator[AlertLine]:
    """Complaints whose ticket is not open any more or has been forgotten, or whose account has ended."""
    (tickets, _), firing = row.remembered(), row.term.standing.complaints
    for key in sorted(firing):
        if row.was_ended or key not in tickets or not tickets[key].is_open:
            firing.remove(key)
            yield _line(row, "complaint", "resolved", now, key)


def band_rules(row: AccountRow, now: int, rules: dict[str, Any]) -> Iterator[AlertLine]:
    """What `band_entered` decides at a tick."""
    if "band_entered" not in rules:
        return
    rule, standing, name = rules["band_entered"], row.term.standing, "band_entered"
    no_data = standing.band == INSUFFICIENT and not row.was_ended
    holds = not no_data and not row.was_ended and BANDS[standing.band] in rule.get("bands", ["red"])
    if name in standing.firing:
        if not holds and not no_data:
            standing.firing.remove(name)
            yield _line(row, name, "resolved", now, str(standing.episodes[name]))
        return
    if not holds:
        standing.rule_since.pop(name, None)
        return
    since = standing.rule_since.setdefault(name, now)
    if now - since >= rule.get("hold_hours", 0) * HOUR:
        del standing.rule_since[name]
        standing.firing.add(name)
        standing.episodes[name] += 1
        yield _line(row, name, "firing", now, str(standing.episodes[name]))
