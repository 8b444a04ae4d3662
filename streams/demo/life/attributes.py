"""account, renewal, churn, cost, override: what the CRM knows, and what people decide."""

from __future__ import annotations

import random
from typing import Final

from scoring.times import DAY, HOUR
from streams.demo.life.account import Life, stamp

_OWNERS: Final = ("Ana Ruiz", "Ben Okafor", "Chloe Martin", "Dev Patel", "Eva Lindqvist", "Femi Ade")
_CSMS: Final = ("Gus Novak", "Hana Sato", "Ines Duarte", "Jo Keller")
_NOTICE_DAYS: Final = {"high_touch": 90, "low_touch": 60, "tech_touch": 30}
_IMPORT: Final = 8 * HOUR
"""When the CRM tells since when an account is a customer, counted from the midnight before it is connected."""
_LESS: Final = 0.5
"""Accounts of less health reduce what they buy."""
_LOST: Final = 0.35
"""Accounts of less health do not renew."""


def live(life: Life) -> None:
    """Attributes at the beginning, a look every month, renewals, costs, judgements."""
    rng = life.rng("attributes")
    _known(life, rng)
    _monthly(life, rng)
    _renewals(life, rng)
    _grown(life, rng)
    if rng.random() < 0.03:
        _judged(life, rng)


def _known(life: Life, rng: random.Random) -> None:
    p = life.profile
    known = {
        "tier": p.tier, "segment": p.segment, "plan": "team", "mrr": p.mrr, "currency": "USD",
        "seats": p.seats, "owner": rng.choice(_OWNERS), "name": p.name, "auto_renew": True,
        "notice_days": _NOTICE_DAYS[p.tier], "renewal_date": stamp(p.renewal)[:10], "lifecycle": "active",
    }  # fmt: skip
    if p.tier != "tech_touch":
        known["csm"] = rng.choice(_CSMS)
    action = "signup" if p.is_new else "updated"
    life.emit(p.connected, type="account", action=action, **known)
    if not p.is_new:
        told = p.connected // DAY * DAY + _IMPORT
        life.emit(told, type="account", action="updated", icp_fit=rng.random() < 0.8)
        life.emit_late(told + 1, p.created, type="account", action="created")


def _monthly(life: Life, rng: random.Random) -> None:
    p, owner = life.profile, rng.choice(_OWNERS)
    for day in range(p.connected // DAY + rng.randrange(1, 30), life.end // DAY + 1, 30):
        at = day * DAY + rng.randrange(22 * HOUR)
        life.emit(at, type="account", action="updated", owner=owner)
        if p.tier == "high_touch":
            life.emit(at, type="cost", kind="retention", amount=round(p.mrr * 0.04, 2), currency="USD")


def _renewals(life: Life, rng: random.Random) -> None:
    p = life.profile
    if p.renewal > life.end:
        return
    if p.health < _LOST:
        life.emit(p.renewal, type="churn", reason_class="non_renewal", mrr=p.mrr, currency="USD")
        return
    mrr = round(p.mrr * rng.choice((1.0, 1.0, 1.03, 1.05, 1.1)), 2)
    life.emit(p.renewal, type="renewal", mrr=mrr, currency="USD")
    again = stamp(p.renewal + 365 * DAY)[:10]
    life.emit(p.renewal + HOUR, type="account", action="updated", mrr=mrr, currency="USD", renewal_date=again)


def _grown(life: Life, rng: random.Random) -> None:
    """Some buy more during the year, the strained less."""
    p, chance, at = life.profile, rng.random(), life.end - int(rng.uniform(20, 150) * DAY)
    if p.health < _LESS:
        mrr = round(p.mrr * rng.uniform(0.6, 0.85), 2)
        life.emit(at, type="account", action="plan_changed", plan="starter", mrr=mrr, currency="USD")
    elif chance < 0.2 and not life.planted:
        mrr = round(p.mrr * rng.uniform(1.05, 1.3), 2)
        life.emit(at, type="account", action="plan_upgraded", plan="business", mrr=mrr, currency="USD")


def _judged(life: Life, rng: random.Random) -> None:
    at = life.end - int(rng.uniform(2, 60) * DAY)
    life.emit(
        at,
        type="override",
        value=rng.randrange(30, 95, 5),
        reason="what the last call was like",
        author=rng.choice(_CSMS),
        expires_at=stamp(at + 90 * DAY),
    )
