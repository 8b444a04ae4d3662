"""The sums a signal looks at, taken from the applied events of an account (sections 4 and 5).

`Totals` adds up all events, whatever their age; `Facts` is the part of it inside the rings on a day.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import xxhash

from tests.oracle.account import KEPT_DAYS, AccountRow
from tests.oracle.contacts import (
    HELP,
    SENIOR,
    is_contact,
    is_outbound,
    is_reply,
    newest_replies,
    present_sponsors,
    rings_of,
    told_role,
)
from tests.oracle.entities import Bucket, Invoice, Ticket
from tests.oracle.instants import DAY, day, month, week
from tests.oracle.milestones import milestones_of
from tests.oracle.reading import Event, milli

KEPT_ERROR_DAYS = 32
KEPT_WEEKS = 32
SKETCH_WEEKS = 5
FEATURE_BITS = 64
USER_BITS = 256
WEEKLY = ("complaints", "reopens", "late", "failures", "disputes")
TOUCHES = ("outreach", "replies", "senior_replies", "help", "marketing", "community")
KEPT_TOUCH_WEEKS = 16
SURVEYS = ("nps", "csat", "ces")
DETRACTOR, PROMOTER = 60_000, 90_000
TREND_ANSWERS = 4

Ring = dict[int, int]
Sketches = dict[int, set[int]]


def bit(name: str, bits: int) -> int:
    """The bit of a sketch that a name sets."""
    return xxhash.xxh3_64_intdigest(name.encode()) % bits


def features_of(event: Event) -> set[str]:
    """The features a usage event shows in use."""
    counted = {name for name, value in (event.body.get("counts") or {}).items() if value > 0}
    single = event.body.get("feature")
    return counted if single is None else counted | {single}


def usage_milli(event: Event) -> int:
    """What a usage event counts, in milli-units."""
    return milli(event.body.get("quantity", 1))


class Totals:
    """An account's applied events of this term, added up."""

    def __init__(self, row: AccountRow) -> None:
        events = row.term.usage
        self.usage = _by_day(events, usage_milli)
        self.errors = _by_day(events, lambda e: e.body.get("errors", 0))
        users = [(week(e.time), e.body["user_id"]) for e in events if e.body.get("user_id") is not None]
        self.users = _by_week((which, bit(user, USER_BITS)) for which, user in users)
        features = [(week(e.time), name) for e in events for name in features_of(e)]
        self.features = _by_week((which, bit(name, FEATURE_BITS)) for which, name in features)
        self.users_max: Ring = {}
        for event in events:
            which, n = week(event.time), event.body.get("active_users") or 0
            self.users_max[which] = max(self.users_max.get(which, 0), n)
        self.feature_ever = bool(features)
        self.last_active = max((which for which, amount in self.usage.items() if amount), default=None)
        self.milestones = milestones_of(row.term.milestones)
        values = [e.time for e in events if e.body.get("value_event")] + [*self.milestones.values]
        self.first_value_ts, self.last_value_ts = min(values, default=None), max(values, default=None)
        self.value_tracked = bool(values) or any(e.body.get("value_event") is not None for e in events)
        self.tickets, self.invoices, self.contacts = row.remembered()
        buckets: Counter[Bucket] = Counter(row.term.forgotten)
        for ticket in self.tickets.values():
            buckets.update(ticket.buckets())
        for invoice in self.invoices.values():
            buckets.update(invoice.buckets())
        self._engage(row.term.engagement, buckets)
        self.rings: dict[str, Ring] = {name: {} for name in ("tickets", *WEEKLY, *TOUCHES)}
        for (name, place), n in buckets.items():
            self.rings[name][place] = n

    def _engage(self, events: list[Event], buckets: Counter[Bucket]) -> None:
        """What was told of conversations, help, marketing and community."""
        channels = {e.body["channel"] for e in events}
        self.contacts_tracked = any(is_contact(e) for e in events)
        self.help_tracked = not channels.isdisjoint(HELP)
        self.marketing_tracked = "marketing" in channels
        self.community_tracked = "community" in channels
        self.sponsors_tracked = any(told_role(e) in SENIOR for e in events)
        self.engaged = sorted({day(e.time) for e in events if not is_outbound(e)})
        self.two_way_ts = max((e.time for e in events if is_reply(e)), default=None)
        self.sponsors = len(present_sponsors(self.contacts))
        replies = [c.reply_ts for c in present_sponsors(self.contacts) if c.reply_ts is not None]
        self.sponsor_ts = max(replies, default=None)
        self.contact_ts = newest_replies(self.contacts)
        buckets.update((ring, week(e.time)) for e in events for ring in rings_of(e))


@dataclass(frozen=True)
class Facts:
    """An account as it stands on a day; rings hold only what lies inside them."""

    row: AccountRow
    totals: Totals
    today: int

    @property
    def this_week(self) -> int:
        return self.today // 7

    @cached_property
    def usage(self) -> Ring:
        """Milli-units by day."""
        return _after(self.today - KEPT_DAYS, self.totals.usage)

    @cached_property
    def errors(self) -> Ring:
        return _after(self.today - KEPT_ERROR_DAYS, self.totals.errors)

    @cached_property
    def active(self) -> list[int]:
        """Days with usage above zero."""
        return sorted(self.usage)

    @cached_property
    def engaged(self) -> list[int]:
        """Days with a touch that was not the vendor's alone."""
        return [which for which in self.totals.engaged if which > self.today - KEPT_DAYS]

    @cached_property
    def rings(self) -> dict[str, Ring]:
        """What is counted one by one: `tickets` by day, the others by week."""
        oldest = dict.fromkeys(WEEKLY, self.this_week - KEPT_WEEKS) | {"tickets": self.today - KEPT_DAYS}
        oldest |= dict.fromkeys(TOUCHES, self.this_week - KEPT_TOUCH_WEEKS)
        return {name: _after(oldest[name], ring) for name, ring in self.totals.rings.items()}

    @cached_property
    def features(self) -> Sketches:
        """Bits of the feature sketch by week."""
        return self._recent(self.totals.features)

    @cached_property
    def users(self) -> Sketches:
        """Bits of the user sketch by week."""
        return self._recent(self.totals.users)

    def _recent(self, sketches: Sketches) -> Sketches:
        return {which: bits for which, bits in sketches.items() if which > self.this_week - SKETCH_WEEKS}

    @cached_property
    def users_max(self) -> Ring:
        """The largest `active_users` by week."""
        return _after(self.this_week - SKETCH_WEEKS, self.totals.users_max)

    @cached_property
    def urgent_since(self) -> int | None:
        """The oldest open urgent ticket."""
        since = [_urgent(ticket) for ticket in self.totals.tickets.values()]
        return min((time for time in since if time is not None), default=None)

    @cached_property
    def oldest_due(self) -> int | None:
        """The first time at which an invoice still open is, or was, to be paid."""
        return min((due for i in self.totals.invoices.values() if (due := _due(i)) is not None), default=None)

    @cached_property
    def open_complaints(self) -> int:
        """Open tickets that are complaints."""
        tickets = self.totals.tickets.values()
        return sum(ticket.is_open and ticket.complaint_ts is not None for ticket in tickets)

    def newest_answer(self, kind: str, low: int = 0, high: int = 100_000) -> int | None:
        """The time of the newest kept answer of a kind with a score from low to high."""
        answers = self.row.term.answers.get(kind, {}).values()
        return max((time for time, _, score in answers if low <= score <= high), default=None)

    @cached_property
    def detractor_ts(self) -> int | None:
        return self.newest_answer("nps", high=DETRACTOR)

    @cached_property
    def promoter_ts(self) -> int | None:
        return self.newest_answer("nps", low=PROMOTER)

    @cached_property
    def trends(self) -> dict[str, int]:
        """Newer half against older half of the kept answers, of the kinds with enough of them."""
        trends = {}
        for kind in SURVEYS:
            answers = self.row.term.answers.get(kind, {})
            ranked = sorted((time, who, score) for who, (time, _, score) in answers.items())
            scores, half = [score for _, _, score in ranked], len(ranked) // 2
            if len(scores) >= TREND_ANSWERS:
                trends[kind] = sum(scores[-half:]) // half - sum(scores[:half]) // half
        return trends

    def seen(self, kind: str) -> bool:
        """Whether an event of this kind was ever applied in this term."""
        return kind in self.row.term.last_seen

    @cached_property
    def windows(self) -> dict[tuple[str, int, int], int]:
        """What `window` has added up already."""
        return {}

    def window(self, name: str, n: int, skip: int = 0) -> int:
        """W: the sum of the n newest buckets, the `skip` newest left out."""
        key = (name, n, skip)
        if key not in self.windows:
            ring = {"usage": self.usage, "errors": self.errors}.get(name) or self.rings.get(name, {})
            last = (self.this_week if name in WEEKLY + TOUCHES else self.today) - skip
            self.windows[key] = sum(amount for place, amount in ring.items() if last - n < place <= last)
        return self.windows[key]

    def age(self, now: int) -> int:
        """Days since the account came to be, as far as known."""
        return 0 if self.row.term.first_ts is None else (now - self.created_or_first) // DAY

    @property
    def created_or_first(self) -> int:
        """When the account came to be, as far as known."""
        created, first = self.row.term.created_ts, self.row.term.first_ts
        since = first if created is None else created
        return -1 if since is None else since

    @property
    def touched_ts(self) -> int:
        """When the customer last spoke; if never, when the account came to be."""
        reply = self.totals.two_way_ts
        return self.created_or_first if reply is None else max(reply, self.created_or_first)

    def onboarding_due(self, days: int) -> int:
        """Until when the account was to be onboarded, some days after it came to be unless told."""
        said = self.totals.milestones.onboarding_due
        return self.created_or_first + days * DAY if said is None else said[1]

    @property
    def seats(self) -> int:
        return self.row.attribute("seats") or 0

    @cached_property
    def mrr(self) -> int | None:
        """The MRR of this month, minor units."""
        return self._mrr_in(month(self.today * DAY))

    @cached_property
    def mrr_base(self) -> int | None:
        """The MRR twelve months ago, or the first known since."""
        this_month = month(self.today * DAY)
        base = self._mrr_in(this_month - 12)
        since = [which for which in self.row.mrr if this_month - 12 < which <= this_month]
        return self._mrr_in(min(since)) if base is None and since else base

    def _mrr_in(self, which: int) -> int | None:
        """The MRR of a month: that of the newest known month up to it."""
        known = [m for m in self.row.mrr if m <= which]
        return self.row.mrr[max(known)][1] if known else None


def _urgent(ticket: Ticket) -> int | None:
    if not ticket.is_open or ticket.priority != "urgent":
        return None
    return ticket.state_ts if ticket.opened_ts is None else ticket.opened_ts


def _due(invoice: Invoice) -> int | None:
    return invoice.due_time if invoice.is_open else None


def _by_day(events: Iterable[Event], amount: Callable[[Event], int]) -> Ring:
    sums: Counter[int] = Counter()
    for event in events:
        sums[day(event.time)] += amount(event)
    return sums


def _by_week(bits: Iterable[tuple[int, int]]) -> Sketches:
    weeks: Sketches = defaultdict(set)
    for which, number in bits:
        weeks[which].add(number)
    return dict(weeks)


def _after(oldest: int, ring: Ring) -> Ring:
    return {place: amount for place, amount in ring.items() if amount and place > oldest}
