"""What happens to the accounts of a random history: bodies of events, type by type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.oracle.instants import DAY, HOUR, MINUTE

Body = dict[str, Any]
"""Fields of an event; `time` (ms) stands for `ts`."""

NATURAL_SOURCE = {"usage": 0, "ticket": 1, "invoice": 2, "survey": 3, "account": 4, "renewal": 4, "churn": 5}
ODD_IDS = (
    "acme",
    "Ünï-çode ☃",
    "a b\tc",
    "0",
    "null",
    "漢字",
    "x" * 256,
    "a/b:c{}",
    "e\u0301",
    '"quoted"',
    "é",
)
FEATURES = tuple(f"feature-{n}" for n in range(90))
LETTERS = "abcdefghijkl"


@dataclass
class Cast:
    """Who takes part, and how eventful it gets; drawn once per history."""

    accounts: list[str]
    first: int
    last: int
    weights: dict[str, int]
    leaves: set[str]
    """Accounts that may end and return."""
    pools: dict[str, int]
    """How many different tickets, invoices, respondents, users and features each account has."""
    ids: list[str]
    serial: int = 0

    @classmethod
    def random(cls, random: Random, accounts: int, first: int, last: int) -> Cast:
        """Draw a cast; few or many entities, this or that kind of event in the majority."""
        names = random.sample(ODD_IDS, min(accounts, len(ODD_IDS)))
        kinds = ("usage", "ticket", "invoice", "survey", "account", "ending", "burst", "revision")
        weights = {kind: random.choice((1, 3, 10)) for kind in kinds} | {
            "ending": 1,
            "burst": random.choice((0, 0, 1)),
        }
        pools = {
            "ticket": random.choice((1, 3, 12)),
            "invoice": random.choice((1, 3, 12)),
            "respondent": random.choice((1, 4, 60)),
            "user": random.choice((3, 30, 400)),
            "feature": random.choice((2, 10, 90)),
        }
        return cls(names, first, last, weights, {n for n in names if random.random() < 0.4}, pools, [])

    def event(self, kind: str, account: str, time: int, /, **fields: Any) -> Body:
        """An event with an id of its own; fields that are None are left out."""
        self.serial += 1
        said = {name: value for name, value in fields.items() if value is not None}
        return {"type": kind, "event_id": f"e{self.serial}", "account_id": account, "time": time, **said}


def bodies(random: Random, cast: Cast, time: int) -> Iterator[Body]:
    """One thing that happens at about a time: mostly one event."""
    stories: dict[str, Callable[[Random, Cast, str, int], Iterator[Body]]] = {
        "usage": usage,
        "ticket": ticket,
        "invoice": invoice,
        "survey": survey,
        "account": news,
        "ending": ending,
        "burst": burst,
        "revision": revision,
    }
    kind = random.choices(list(cast.weights), list(cast.weights.values()))[0]
    yield from stories[kind](random, cast, random.choice(cast.accounts), time)


def _maybe(random: Random, chance: float, value: Any) -> Any:
    return value if random.random() < chance else None


def usage(random: Random, cast: Cast, account: str, time: int) -> Iterator[Body]:
    """Some use of the product; now and then under an id that was used before."""
    feature = random.choice(FEATURES[: cast.pools["feature"]])
    counts = {f: random.choice((0, 1, 2.5)) for f in random.sample(FEATURES[: cast.pools["feature"]], 2)}
    body = cast.event(
        "usage",
        account,
        time,
        quantity=random.choice((None, 0, 1, 0.0005, 0.0015, 2.5, 40, random.random() * 100)),
        feature=_maybe(random, 0.5, feature),
        counts=_maybe(random, 0.3, counts),
        user_id=_maybe(random, 0.6, f"user {random.randrange(cast.pools['user'])}"),
        active_users=_maybe(random, 0.1, random.randrange(60)),
        errors=_maybe(random, 0.2, random.randrange(4)),
        value_event=_maybe(random, 0.2, random.random() < 0.4),
    )
    if random.random() < 0.05 and cast.ids:
        body["event_id"] = random.choice(cast.ids)
    cast.ids.append(body["event_id"])
    yield body


def burst(random: Random, cast: Cast, account: str, time: int) -> Iterator[Body]:
    """More usage at once than ids are remembered, and its first event again."""
    step = random.choice((1, 1000, MINUTE))
    events = [
        next(usage(random, cast, account, min(time + n * step, cast.last)))
        for n in range(random.randint(30, 36))
    ]
    yield from [*events, events[0], events[-1]]


def ticket(random: Random, cast: Cast, account: str, time: int) -> Iterator[Body]:
    """Any step of any ticket, in no particular order."""
    yield cast.event(
        "ticket",
        account,
        time,
        action=random.choice(("opened", "opened", "updated", "closed", "reopened")),
        ticket_id=f"T{random.randrange(cast.pools['ticket'])}",
        priority=_maybe(
            random, 0.5, random.choice(("low", "normal", "medium", "high", "urgent", "critical"))
        ),
        complaint=_maybe(random, 0.2, random.random() < 0.8),
        escalated=_maybe(random, 0.2, random.random() < 0.8),
    )


def invoice(random: Random, cast: Cast, account: str, time: int) -> Iterator[Body]:
    """Any step of any invoice, in no particular order."""
    due = time + random.choice((-70 * DAY, -DAY, -DAY - 1, 0, 1, HOUR, 14 * DAY))
    yield cast.event(
        "invoice",
        account,
        time,
        action=random.choice(
            ("issued", "issued", "paid", "overdue", "disputed", "refunded", "voided", "payment_failed")
        ),
        invoice_id=f"I{random.randrange(cast.pools['invoice'])}",
        due_at=_maybe(random, 0.4, due),
        days_late=_maybe(random, 0.3, random.choice((-3, 0, 1, 20, 90))),
        amount=_maybe(random, 0.5, 99.5),
        currency=_maybe(random, 0.3, "EUR"),
    )


def survey(random: Random, cast: Cast, account: str, time: int) -> Iterator[Body]:
    """An answer of somebody, on the usual scale or one of its own."""
    kind, top = random.choice((("nps", 10), ("nps", 10), ("csat", 5), ("ces", 7), ("mood", 100)))
    low = random.choice((None, None, -5, 0.5))
    someone = random.randrange(cast.pools["respondent"])
    yield cast.event(
        "survey",
        account,
        time,
        kind=kind,
        score=random.choice((1, top, top / 2, 3.3, round(1 + random.random() * (top - 1), 3))),
        scale_min=low,
        scale_max=_maybe(random, 0.2, top + 0.5),
        respondent_id=_maybe(random, 0.7, f"{LETTERS[someone % 12]}{someone}"),
        response_id=_maybe(random, 0.5, f"R{random.randrange(cast.pools['respondent'])}"),
    )


def news(random: Random, cast: Cast, account: str, time: int) -> Iterator[Body]:
    """News of an account, a few of them from long ago."""
    if random.random() < 0.25:
        time -= random.choice((DAY, 20 * DAY, 40 * DAY, 100 * DAY, 400 * DAY, random.randint(0, 600 * DAY)))
    actions = (
        "created",
        "updated",
        "updated",
        "updated",
        "signup",
        "plan_changed",
        "plan_upgraded",
        "churn_notice",
    )
    yield cast.event(
        "account",
        account,
        time,
        action=random.choice(actions),
        tier=_maybe(random, 0.2, random.choice(("high_touch", "low_touch", "tech_touch"))),
        mrr=_maybe(random, 0.5, random.choice((0, 100, 250.125, 4999.995, 5000, 900, 1e6))),
        currency=_maybe(random, 0.3, random.choice(("EUR", "JPY", "KWD", "usd", "???"))),
        seats=_maybe(random, 0.3, random.choice((0, 1, 5, 40, 249, 250))),
        auto_renew=_maybe(random, 0.2, random.random() < 0.5),
        segment=_maybe(random, 0.1, random.choice(("smb", "Größe", "ent"))),
        plan=_maybe(random, 0.1, random.choice(("free", "pro"))),
        renewal_date=_maybe(random, 0.1, random.choice(("2027-01-01", "2026-06-30"))),
        notice_days=_maybe(random, 0.1, random.choice((9, 10, 30))),
        icp_fit=_maybe(random, 0.1, random.choice((1, 0.5, True, "good"))),
        name=_maybe(random, 0.1, random.choice(("Acme", "Über AG", "名前"))),
        owner=_maybe(random, 0.1, random.choice(("ann", "bob"))),
    )


def ending(random: Random, cast: Cast, account: str, time: int) -> Iterator[Body]:
    """An outcome; of an account that may leave, its end, what still comes in, and perhaps a return."""
    if account not in cast.leaves or random.random() < 0.2:
        yield cast.event("renewal", account, time)
        yield cast.event("churn", account, time, scope="subscription")
        return
    if random.random() < 0.3:
        yield cast.event(
            "account", account, time, action=random.choice(("subscription_ended", "observation_end"))
        )
    else:
        yield cast.event("churn", account, time, reason_class="switch")
    for _ in range(random.randrange(4)):
        story = random.choice((usage, ticket, invoice, survey))
        yield from story(random, cast, account, min(time + random.randrange(2 * DAY), cast.last))
    if random.random() < 0.8:
        pause = random.choice((0, 1, 1, MINUTE, HOUR, DAY, 3 * DAY, 15 * DAY))
        back = min(time + pause, cast.last)
        action = random.choice(("signup", "subscription_started"))
        yield cast.event("account", account, back, action=action, mrr=_maybe(random, 0.5, 700))
        yield from usage(random, cast, account, max(back + random.choice((-HOUR, -1, 0, 1)), cast.first))


def revision(random: Random, cast: Cast, account: str, time: int) -> Iterator[Body]:
    """Two events at the same instant about the same thing: ties must break the same way everywhere."""
    story = random.choice((ticket, invoice, survey, news))
    yield from story(random, cast, account, time)
    yield from story(random, cast, account, time)
