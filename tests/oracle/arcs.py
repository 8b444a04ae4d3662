"""Stories that take a whole history to tell: a rhythm that breaks, a sponsor who leaves, a renewal that nears."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.oracle.cast import FEATURES, MOST_STRAYED, Body, Cast, date_of
from tests.oracle.instants import DAY, HOUR


@dataclass(frozen=True)
class Arc:
    """The life of one account; times are shares of the history, 0 its first moment and 1 its last."""

    random: Random
    cast: Cast
    account: str

    def time(self, share: float) -> int:
        """A moment near that share."""
        span = self.cast.last - self.cast.first
        exact = self.cast.first + int(span * share) + self.random.randint(0, max(span // 200, 1))
        return min(max(exact, self.cast.first + 1), self.cast.last)

    def says(self, kind: str, share: float, /, **fields: Any) -> Iterator[Body]:
        """An event about that share of the history."""
        yield from self.says_at(kind, self.time(share), **fields)

    def says_at(self, kind: str, time: int, /, **fields: Any) -> Iterator[Body]:
        """An event; engagement that would be too much for strays is left out."""
        if kind == "engagement":
            if self.cast.strays and self.cast.touches[self.account] >= MOST_STRAYED:
                return
            self.cast.touches[self.account] += 1
        yield self.cast.event(kind, self.account, time, **fields)

    def answers(self, share: float, kind: str, points: float, who: str) -> Iterator[Body]:
        """An answer on a scale of 0..100."""
        said = {"score": points, "scale_min": 0, "scale_max": 100, "respondent_id": who}
        yield from self.says("survey", share, kind=kind, **said)


def rhythm(a: Arc) -> Iterator[Body]:
    """Regular use, or regular conversations, that stop and sometimes come back; weekends off or not."""
    span = (a.cast.last - a.cast.first) // DAY
    steps = [d for d in (1, 1, 2, 7) if d * 5 < span] or [1]
    step, weekends = a.random.choice(steps), a.random.random() < 0.6
    step = max(step, span // 40)
    stop = a.random.uniform(0.4, 0.7)
    source, hour = a.random.choice(("usage", "engagement")), a.random.choice((0, 6, 13)) * HOUR
    fields: Body = {"quantity": 2} if source == "usage" else {"channel": "meeting"}
    for n in range(0, int(span * stop) + 1, step):
        time = a.cast.first + n * DAY + hour
        if (weekends or step > 1 or (time // DAY + 3) % 7 < 5) and a.cast.first < time <= a.cast.last:
            yield from a.says_at(source, time, **fields)
    if a.random.random() < 0.9:
        yield from a.says(source, a.random.uniform(0.85, 0.97), **fields)


def pulse(a: Arc) -> Iterator[Body]:
    """A little of everything all the time: what keeps the feeds alive."""
    for n in range(24):
        yield from a.says("usage", n / 24, quantity=1)
        yield from a.says("engagement", n / 24, channel="community")


def emergency(a: Arc) -> Iterator[Body]:
    """An urgent ticket that becomes a complaint, is closed, and sometimes opens again."""
    start = a.random.uniform(0.1, 0.6)
    yield from a.says("ticket", start, ticket_id="U", action="opened", priority="urgent")
    yield from a.says("ticket", start + 0.05, ticket_id="U", action="updated", complaint=True)
    end = start + a.random.uniform(0.05, 0.35)
    yield from a.says("ticket", end, ticket_id="U", action="closed")
    if a.random.random() < 0.3:
        yield from a.says("ticket", end + 0.05, ticket_id="U", action="reopened")


def cluster(a: Arc) -> Iterator[Body]:
    """Many tickets at once, after a few or none."""
    start = a.random.uniform(0.3, 0.7)
    for n in range(a.random.randint(0, 8)):
        yield from a.says("ticket", a.random.uniform(0, start), ticket_id=f"W{n}", action="opened")
    again = start + a.random.uniform(0.02, 0.2)
    for n in range(a.random.randint(3, 6)):
        yield from a.says("ticket", start, ticket_id=f"X{n}", action="opened")
        yield from a.says("ticket", again, ticket_id=f"Y{n}", action="opened")
    for n in range(3):
        yield from a.says("ticket", start + 0.1, ticket_id=f"X{n}", action="closed")


def unpaid(a: Arc) -> Iterator[Body]:
    """An invoice that cannot be collected for a long time."""
    start = a.random.uniform(0.05, 0.3)
    due = a.time(start + 0.02)
    yield from a.says("invoice", start, invoice_id="N", action="issued", due_at=due)
    for n in range(a.random.randint(1, 5)):
        yield from a.says("invoice", start + 0.05 + n / 20, invoice_id="N", action="payment_failed")
    end = a.random.choice(("paid", "voided", "refunded"))
    yield from a.says("invoice", a.random.uniform(0.5, 0.9), invoice_id="N", action=end)


def souring(a: Arc) -> Iterator[Body]:
    """Promoters become detractors, and perhaps promoters again."""
    turn = a.random.uniform(0.3, 0.5)
    moods = [(0.05, 95), (0.1, 100), (0.15, 90), (turn, 60), (turn + 0.05, 20), (turn + 0.1, 5)]
    if a.random.random() < 0.5:
        moods += [(turn + n / 20 + 0.2, 100) for n in range(5)]
    for n, (share, points) in enumerate(moods):
        yield from a.answers(share, "nps", points, f"s{n % 12}")


def sponsor(a: Arc) -> Iterator[Body]:
    """A sponsor leaves; comes back, is replaced, is missed, or is forgotten before leaving once more."""
    role, leaves = a.random.choice(("executive", "champion")), a.random.uniform(0.16, 0.4)
    who = a.random.choice(({"contact_id": "boss", "role": role}, {"role": role}))
    yield from a.says("engagement", 0.05, channel="meeting", **who)
    yield from a.says("engagement", 0.15, channel="email", direction="inbound", **who)
    gone = a.time(leaves)
    yield from a.says_at("engagement", gone, channel="email", departed=True, **who)
    after = a.random.choice(("back", "replaced", "missed"))
    if gone + 130 * DAY < a.cast.last and a.random.random() < 0.7:
        yield from a.says_at("engagement", gone + 130 * DAY, channel="call", departed=True, **who)
        return
    if after == "back":
        yield from a.says("engagement", leaves + 0.2, channel="call", departed=False, **who)
        yield from a.says("engagement", leaves + 0.3, channel="email", departed=True, **who)
    if after == "replaced":
        heir = {"contact_id": "heir", "role": "champion"}
        yield from a.says_at("engagement", gone, channel="call", **heir)
        yield from a.says("engagement", leaves + 0.25, channel="meeting", **heir)


def monologue(a: Arc) -> Iterator[Body]:
    """The vendor writes and writes; late, somebody answers."""
    for n in range(12):
        yield from a.says("engagement", n / 14, channel="email", contact_id="C0")
    yield from a.says("engagement", a.random.uniform(0.85, 0.95), channel="call", contact_id="C0")


def plan(a: Arc) -> Iterator[Body]:
    """Onboarding and a goal that are late, then reached; value that comes and stays away."""
    due, goal = a.time(a.random.uniform(0.1, 0.3)), a.time(a.random.uniform(0.1, 0.4))
    yield from a.says("milestone", 0.02, kind="onboarding_done", value=10, due_at=due)
    yield from a.says("milestone", 0.04, kind="goal_progress", value=a.random.choice((0, 50)), due_at=goal)
    yield from a.says("milestone", a.random.uniform(0.4, 0.7), kind="onboarding_done")
    yield from a.says("milestone", a.random.uniform(0.7, 0.9), kind="goal_progress", value=100)
    yield from a.says("milestone", a.random.uniform(0.2, 0.4), kind="feature_declined")
    yield from a.says("milestone", a.random.uniform(0.2, 0.4), kind="strategy_change")
    yield from a.says("milestone", 0.1, kind="first_value")
    yield from a.says("usage", a.random.uniform(0.6, 0.9), value_event=True)


def contract(a: Arc) -> Iterator[Body]:
    """A renewal nears while the mood changes; notice is given, and taken back."""
    renewal = a.cast.last + a.random.choice((-2, 1, 5, 20, 60)) * DAY
    notice = a.random.choice((None, 0, 2, 10, 60))
    said = {} if notice is None else {"notice_days": notice}
    yield from a.says("account", 0.03, action="updated", renewal_date=date_of(renewal), **said)
    kind = a.random.choice(("csat", "nps", "ces"))
    for share, points in ((0.1, 10), (0.35, 95), (0.5, 5), (0.6, 90), (0.8, 0), (0.9, 99)):
        yield from a.answers(share, kind, points, "r1")
    gives = a.random.uniform(0.1, 0.5)
    action = a.random.choice(("updated", "churn_notice"))
    yield from a.says("account", gives, action="churn_notice")
    yield from a.says("account", gives + 0.02, action=action, auto_renew=False)
    yield from a.says("account", gives + a.random.uniform(0.1, 0.4), action="updated", auto_renew=True)
    if a.random.random() < 0.4:
        later = date_of(renewal + 30 * DAY)
        yield from a.says("account", 0.85, action="updated", renewal_date=later)


def bloom(a: Arc) -> Iterator[Body]:
    """An account that could not be better, until it grows into more seats or gets angry."""
    yield from a.says("account", 0.01, action="created", seats=5, mrr=900)
    for n in range(14):
        share = n / 16
        fields: Body = {"active_users": 6, "value_event": True, "feature": a.random.choice(FEATURES[:2])}
        yield from a.says("usage", share, quantity=n + 5, **fields)
    for share in (0.05, 0.2, 0.4, 0.6):
        yield from a.answers(share, "nps", 100, "fan")
        yield from a.answers(share, "csat", 100, "fan")
    yield from a.says("engagement", 0.1, channel="meeting", contact_id="boss", role="executive")
    for share in (0.2, 0.4):
        value = a.time(share)
        yield from a.says_at("usage", value - 1, value_event=True)
        yield from a.says_at("usage", value + 1, value_event=True)
        yield from a.says_at("milestone", value, kind="first_value")
    end, turn = a.random.uniform(0.5, 0.8), a.random.choice(("grows", "owes", "rages"))
    if turn == "grows":
        yield from a.says("account", end, action="updated", seats=500)
        yield from a.says("account", end + 0.15, action="updated", seats=6)
    elif turn == "owes":
        due = a.time(end) // DAY * DAY
        yield from a.says("invoice", end - 0.1, invoice_id="B", action="issued", due_at=due)
        yield from a.says("invoice", end + 0.1, invoice_id="B", action="paid")
    else:
        yield from a.says("ticket", end, ticket_id="B", action="opened", complaint=True)
        yield from a.says("usage", end, feature=FEATURES[89], quantity=1)


def fall(a: Arc) -> Iterator[Body]:
    """The best mood, then the worst within days, and slowly better again; little else is known."""
    turn = a.random.uniform(0.4, 0.6)
    for share, points in ((0.02, 100), (turn / 2, 98), (turn, 3), (turn + 0.02, 0), (0.9, 90), (0.93, 100)):
        for kind in ("csat", "nps"):
            yield from a.answers(share, kind, points, "r")


def chatter(a: Arc) -> Iterator[Body]:
    """As many touches as ids are remembered, or one more, and then the first once again."""
    if a.cast.strays:
        return
    start, bodies = a.time(a.random.random() / 2), []
    for n in range(a.random.choice((63, 64, 65))):
        bodies += a.says_at("engagement", start + n, channel="community", arrives=start + n)
    yield from bodies
    yield bodies[0] | {"arrives": start + len(bodies)}


def crowd(a: Arc) -> Iterator[Body]:
    """More contacts reply than are told apart; then some of them leave."""
    for n in range(a.random.randint(7, 11)):
        yield from a.says("engagement", n / 20, channel="call", contact_id=f"P{n}", role="user")
    for n in a.random.sample(range(7), 2):
        yield from a.says("engagement", 0.7, channel="email", contact_id=f"P{n}", departed=True)


def brief(a: Arc) -> Iterator[Body]:
    """Help is sought and tickets are opened in the first days, then nothing: what is known fades away."""
    for n in range(4):
        yield from a.says("engagement", n / 40, channel="knowledge_base")
        yield from a.says("engagement", n / 40, channel="email", direction="inbound", role="champion")
        yield from a.says("usage", n / 40, quantity=1, user_id=f"user {n}")
    yield from a.says("account", 0.01, action="created", seats=10)
    if a.random.random() < 0.7:
        yield from a.says("engagement", 0.9, channel="training")
        yield from a.says("usage", 0.9, quantity=1, user_id="user 1", active_users=4)


ARCS: tuple[Callable[[Arc], Iterator[Body]], ...] = (
    rhythm,
    rhythm,
    rhythm,
    emergency,
    cluster,
    unpaid,
    souring,
    sponsor,
    monologue,
    plan,
    contract,
    bloom,
    fall,
    brief,
    crowd,
    chatter,
)
