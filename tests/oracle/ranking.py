"""What is told beside the score to rank accounts (section 6); no part of it."""

from __future__ import annotations

from fractions import Fraction

from tests.oracle.account import AccountRow
from tests.oracle.facts import Facts
from tests.oracle.instants import DAY
from tests.oracle.renewals import deadline, renewal

HALF_A_YEAR = 180


def ranking(row: AccountRow, facts: Facts) -> dict[str, int]:
    """`mrr_at_risk` in minor units, `deadline` in ms, `urgency` in thousandths, as far as each is told at the account's last tick."""
    if row.was_ended:
        return {}
    told: dict[str, int] = {}
    score, now = row.term.standing.score, row.as_of
    if facts.mrr is not None and score is not None:
        told["mrr_at_risk"] = int(Fraction(facts.mrr) * (1 - Fraction(score, 100_000)) // 1)
    last, until = deadline(row), renewal(row)
    if last is not None and until is not None and now < until:
        days_left = max(Fraction(last - now, DAY), Fraction(0))
        told["deadline"] = last
        told["urgency"] = int(1000 * (2 - min(days_left / HALF_A_YEAR, Fraction(1))))
    return told
