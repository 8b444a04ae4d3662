"""What happens to the accounts of a random history: bodies of events, type by type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from tests.oracle.cast import CHANNELS, FEATURES, LETTERS, MOST_STRAYED, RENEWALS, Body, Cast, maybe
from tests.oracle.instants import DAY, HOUR, MINUTE


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
        "engagement": engagement,
        "milestone": milestone,
        "judgement": judgement,
    }
    kind = random.choices(list(cast.weights), list(cast.weights.values()))[0]
    yield from stories[kind](random, cast, random.choice(cast.busy or cast.accounts), time)


def usage(random: Random, cast: Cast, account: str, time: int) -> Iterator[Body]:
    """Some use of the product; now and then under an id that was used before."""
    feature = random.choice(FEATURES[: cast.pools["feature"]])
    counts = {f: random.choice((0, 1, 2.5)) for f in random.sample(FEATURES[: cast.pools["feature"]], 2)}
    body = cast.event(
        "usage",
        account,
        time,
        quantity=random.choice((None, 0, 1, 0.0005, 0.0015, 2.5, 40, random.random() * 100)),
        feature=maybe(random, 0.5, feature),
        counts=maybe(random, 0.3, counts),
        user_id=maybe(random, 0.6, f"user {random.randrange(cast.pools['user'])}"),
        active_users=maybe(random, 0.1, random.randrange(60)),
        errors=maybe(random, 0.2, random.randrange(4)),
        value_event=maybe(random, 0.2, random.random() < 0.4),
    )
    if random.random() < 0.05 and cast.ids:
        body["event_id"] = random.choice(cast.ids)
    cast.ids.append(body["event_id"])
    yield body


def burst(random: Random, cast: Cast, account: str, time: int) -> Iterator[Body]:
    """As much usage or engagement at once as ids are remembered, or more, and some of it again."""
    step = random.choice((1, 1000, MINUTE))
    story, most = (usage, 32) if cast.strays or random.random() < 0.5 else (engagement, 64)
    events = [
        next(story(random, cast, account, min(time + n * step, cast.last)))
        for n in range(random.randint(most - 1, most + 2))
    ]
    told = [*events, events[0], events[1], events[-1]]
    yield from (body | {"arrives": time + len(told) * step + n} for n, body in enumerate(told))


def ticket(random: Random, cast: Cast, account: str, time: int) -> Iterator[Body]:
    """Any step of any ticket, in no particular order."""
    yield cast.event(
        "ticket",
        account,
        time,
        action=random.choice(("opened", "opened", "updated", "closed", "reopened")),
        ticket_id=f"T{random.randrange(cast.pools['ticket'])}",
        priority=maybe(random, 0.5, random.choice(("low", "normal", "medium", "high", "urgent", "critical"))),
        complaint=maybe(random, 0.2, random.random() < 0.8),
        escalated=maybe(random, 0.2, random.random() < 0.8),
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
        due_at=maybe(random, 0.4, due),
        days_late=maybe(random, 0.3, random.choice((-3, 0, 1, 20, 90))),
        amount=maybe(random, 0.5, 99.5),
        currency=maybe(random, 0.3, "EUR"),
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
        scale_max=maybe(random, 0.2, top + 0.5),
        respondent_id=maybe(random, 0.7, f"{LETTERS[someone % 12]}{someone}"),
        response_id=maybe(random, 0.5, f"R{random.randrange(cast.pools['respondent'])}"),
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
        tier=maybe(random, 0.2, random.choice(("high_touch", "low_touch", "tech_touch"))),
        mrr=maybe(random, 0.5, random.choice((0, 100, 250.125, 4999.995, 5000, 900, 1e6))),
        currency=maybe(random, 0.3, random.choice(("EUR", "JPY", "KWD", "usd", "???"))),
        seats=maybe(random, 0.3, random.choice((0, 1, 5, 40, 249, 250))),
        auto_renew=maybe(random, 0.2, random.random() < 0.5),
        segment=maybe(random, 0.1, random.choice(("smb", "Größe", "ent"))),
        plan=maybe(random, 0.1, random.choice(("free", "pro"))),
        renewal_date=maybe(random, 0.15, random.choice(RENEWALS)(time)),
        notice_days=maybe(random, 0.1, random.choice((0, 9, 10, 30))),
        icp_fit=maybe(random, 0.1, random.choice((1, 0.5, True, "good"))),
        name=maybe(random, 0.1, random.choice(("Acme", "Über AG", "名前"))),
        owner=maybe(random, 0.1, random.choice(("ann", "bob"))),
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
        story = random.choice((usage, ticket, invoice, survey, engagement, milestone))
        yield from story(random, cast, account, min(time + random.randrange(2 * DAY), cast.last))
    if random.random() < 0.8:
        pause = random.choice((0, 1, 1, MINUTE, HOUR, DAY, 3 * DAY, 15 * DAY))
        back = min(time + pause, cast.last)
        action = random.choice(("signup", "subscription_started"))
        yield cast.event("account", account, back, action=action, mrr=maybe(random, 0.5, 700))
        yield from usage(random, cast, account, max(back + random.choice((-HOUR, -1, 0, 1)), cast.first))


def revision(random: Random, cast: Cast, account: str, time: int) -> Iterator[Body]:
    """Two events at the same instant about the same thing: ties must break the same way everywhere."""
    story = random.choice((ticket, invoice, survey, news, engagement, milestone, judgement))
    for role in random.sample(("executive", "champion", "user"), 2):
        for body in story(random, cast, account, time):
            yield body | {"contact_id": "C0", "role": role} if story is engagement else body


def engagement(random: Random, cast: Cast, account: str, time: int) -> Iterator[Body]:
    """A touch of any kind, with or without somebody named; now and then under an id used before."""
    if cast.strays and cast.touches[account] >= MOST_STRAYED:
        return
    cast.touches[account] += 1
    body = cast.event(
        "engagement",
        account,
        time,
        channel=random.choice(CHANNELS),
        direction=maybe(random, 0.5, random.choice(("inbound", "outbound", "two_way"))),
        contact_id=maybe(random, 0.4, f"C{random.randrange(cast.pools['contact'])}"),
        role=maybe(random, 0.3, random.choice(("executive", "champion", "user"))),
        departed=maybe(random, 0.15, random.random() < 0.7),
    )
    if random.random() < 0.05 and cast.ids and not cast.strays:
        body["event_id"] = random.choice(cast.ids)
    cast.ids.append(body["event_id"])
    yield body


def milestone(random: Random, cast: Cast, account: str, time: int) -> Iterator[Body]:
    """Any milestone, reached, missed or planned."""
    due = time + random.choice((-40 * DAY, -3 * DAY, -DAY, 0, 1, HOUR, DAY, 20 * DAY))
    yield cast.event(
        "milestone",
        account,
        time,
        kind=random.choice(
            (
                "first_value",
                "onboarding_done",
                "goal_progress",
                "goal_progress",
                "feature_declined",
                "strategy_change",
            )
        ),
        value=maybe(
            random, 0.6, random.choice((0, 40, 99.9994, 99.9995, 100, 0.0005, random.random() * 100))
        ),
        due_at=maybe(random, 0.5, due),
    )


def judgement(random: Random, cast: Cast, account: str, time: int) -> Iterator[Body]:
    """Somebody overrules the score for a while, or money is spent."""
    if random.random() < 0.4:
        kind = random.choice(("acquisition", "retention"))
        yield cast.event("cost", account, time, kind=kind, amount=random.choice((0, -3, 19.99)))
        return
    yield cast.event(
        "override",
        account,
        time,
        value=maybe(random, 0.7, random.choice((0, 55.5, 100, 12.3456))),
        reason=random.choice(("", "knows better", "Größe", 'says "no"')),
        author=random.choice(("ann", "bob")),
        expires_at=time + random.choice((-DAY, 0, HOUR, 3 * DAY, 90 * DAY)),
    )
