"""The state of an account as plain named values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scoring.events import SOURCES
from tests.oracle.account import AccountRow, Level
from tests.oracle.alerting import shown_band
from tests.oracle.bands import BANDS, velocity
from tests.oracle.cadence import last_day
from tests.oracle.facts import TOUCHES, WEEKLY, Facts
from tests.oracle.ranking import ranking
from tests.oracle.renewals import deadline, renewal


def exported(row: AccountRow, facts: Facts, now: int) -> dict[str, Any]:
    """Every field of an account at its last tick; None = unknown, empty buckets left out."""
    fields = {**_rings(facts), **_entities(facts), **_times(row, facts), **_standing(row, now)}
    fields |= {**_engagement(facts), **_plans(row, facts)}
    return {**fields, "fence": {SOURCES[source]: offset for source, offset in sorted(row.fence.items())}}


def _filled(ring: Mapping[int, Any]) -> dict[int, Any]:
    return {place: ring[place] for place in sorted(ring) if ring[place]}


def _rings(facts: Facts) -> dict[str, Any]:
    return {
        "usage": _filled(facts.usage),
        "errors": _filled(facts.errors),
        "active": facts.active,
        **{name: _filled(facts.rings[name]) for name in ("tickets", *WEEKLY, *TOUCHES)},
        "users": {w: sorted(bits) for w, bits in sorted(facts.users.items())},
        "features": {w: sorted(bits) for w, bits in sorted(facts.features.items())},
        "users_max": _filled(facts.users_max),
    }


def _entities(facts: Facts) -> dict[str, Any]:
    return {
        "ticket_map": {key: ticket.named() for key, ticket in sorted(facts.totals.tickets.items())},
        "invoice_map": {key: invoice.named() for key, invoice in sorted(facts.totals.invoices.items())},
        "survey_map": {kind: kept for kind, kept in sorted(facts.row.term.answers.items()) if kept},
        "attributes": {name: facts.row.attribute(name) for name in sorted(facts.row.attributes)},
        "mrr_months": {which: amount for which, (_, amount) in sorted(facts.row.mrr.items())},
    }


def _engagement(facts: Facts) -> dict[str, Any]:
    totals = facts.totals
    return {
        "engaged": facts.engaged,
        "last_active": totals.last_active,
        "last_engaged": last_day(facts, "engagement"),
        "contact_map": {name: contact.named() for name, contact in sorted(totals.contacts.items())},
        "contacts_tracked": totals.contacts_tracked,
        "sponsors_tracked": totals.sponsors_tracked,
        "help_tracked": totals.help_tracked,
        "marketing_tracked": totals.marketing_tracked,
        "community_tracked": totals.community_tracked,
        "two_way_ts": totals.two_way_ts,
        "sponsors": totals.sponsors,
        "sponsor_ts": totals.sponsor_ts,
        "contact_ts": totals.contact_ts,
    }


def _plans(row: AccountRow, facts: Facts) -> dict[str, Any]:
    told = facts.totals.milestones
    registers = {"onboarding_due": told.onboarding_due, "goal": told.goal, "goal_due": told.goal_due}
    return {
        "milestones_tracked": told.told,
        "last_value_ts": facts.totals.last_value_ts,
        "onboarded_ts": told.onboarded_ts,
        **{name: None if pair is None else list(pair) for name, pair in registers.items()},
        "declined_ts": told.declined_ts,
        "strategy_ts": told.strategy_ts,
        "renewal": renewal(row),
        "deadline": deadline(row),
        "override": None if row.override is None else row.override.named(),
        "override_shown": None if row.override is None else row.override.shown(row.as_of),
        "ranking": ranking(row, facts),
        "detractor_ts": facts.detractor_ts,
        "promoter_ts": facts.promoter_ts,
        "trends": facts.trends,
        "open_complaints": facts.open_complaints,
    }


def _times(row: AccountRow, facts: Facts) -> dict[str, Any]:
    return {
        "term": row.term.number,
        "ended": row.was_ended,
        "first_ts": row.term.first_ts,
        "last_seen": dict(sorted(row.term.last_seen.items())),
        "first_value_ts": facts.totals.first_value_ts,
        "value_tracked": facts.totals.value_tracked,
        "created_ts": row.term.created_ts,
        "started_ts": row.started_ts,
        "ended_ts": row.ended_ts,
        "churn_notice_ts": row.churn_notice_ts,
        "auto_renew_on_ts": row.auto_renew_on_ts,
    }


def _standing(row: AccountRow, now: int) -> dict[str, Any]:
    s = row.term.standing
    return {
        "score": s.score,
        "coverage": s.coverage,
        "dimensions": dict(s.dimensions),
        "band": shown_band(row),
        "previous_band": None if s.previous_band is None else BANDS[s.previous_band],
        "band_since": s.band_since,
        "pending_band": None if s.pending_band is None else BANDS[s.pending_band],
        "pending_since": s.pending_since,
        "last_sub": dict(sorted(s.last_sub.items())),
        "history": {d: hundredths for d, hundredths in sorted(s.history.items()) if hundredths is not None},
        "velocity_7d": velocity(s, now, 7),
        "velocity_28d": velocity(s, now, 28),
        "limits": {source: days for source, days in sorted(s.limits.items()) if days is not None},
        "levels": {name: _level(level) for name, level in sorted(s.levels.items()) if level.episode},
    }


def _level(level: Level) -> dict[str, Any]:
    """A rule that fired at least once."""
    told = {"revision": level.revision, "band": level.band} if level.firing else {}
    return {"episode": level.episode, "firing": level.firing, **told}
