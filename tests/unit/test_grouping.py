"""Delivery over routes: groups, cool-down, receipts, several receivers."""

import asyncio
import random
from collections import Counter

import pytest

from alerts.delivery import HOUR_MS, Deliverer
from alerts.grouping import FULL
from alerts.model import Alert, Kind, Phase, Reason, Severity
from alerts.route import FACTS, Router
from alerts.route_tree import parse
from alerts.sending import Backoff, Fate, Sender
from alerts.sinks.base import Message, SinkError
from tests.memory_log import MemoryLog

NOW_MS = 1_800_000_000_000
DAY_MS = 24 * HOUR_MS
QUICK = Backoff(first=0.001, longest=0.002)
RECEIVERS = 'receivers: [{name: a, sink: chat, channel: "#a"}, {name: b, sink: chat, channel: "#b"}]\n'
ONE = RECEIVERS + "route: {receiver: a, group_wait: 1s, group_limit: 2}"


class Chat:
    """A messenger that keeps what it posts; `act` may refuse or wait."""

    name = "chat"

    def __init__(self, act=None) -> None:
        self.act = act
        self.posted: list[Message] = []

    async def post(self, message: Message) -> str:
        await asyncio.sleep(0)
        if self.act:
            await self.act(message)
        self.posted.append(message)
        return message.receipt or f"r{len(self.posted)}"

    async def send(self, alert: Alert) -> None:
        await self.post(Message((alert,)))

    async def close(self) -> None:
        pass

    @property
    def ids(self) -> list[tuple[str, ...]]:
        return [tuple(alert.id for alert in message.alerts) for message in self.posted]


def make(account="x", number=1, phase=Phase.FIRING, **changes) -> Alert:
    values = {
        "id": f"{account}:{number}", "phase": phase, "rule": "band_entered", "kind": Kind.RISK,
        "severity": Severity.WARNING, "reason": Reason.CONDITION_MET, "account_id": account, "term": 0,
        "episode": str(number), "at": NOW_MS, "tick": NOW_MS, "attributes": {"owner": "dana"},
    }  # fmt: skip
    return Alert(**(values | changes))


class Case:
    def __init__(self, routes=ONE, act=None) -> None:
        self.chat, self.log, self.grouped = Chat(act), MemoryLog(), []
        self.deliverer = Deliverer(
            self.chat, Sender(self.chat, backoff=QUICK), self.log, router=Router(parse(routes)),
            on_group=self.grouped.append,
        )  # fmt: skip

    async def tell(self, *alerts) -> list[list[Fate]]:
        async with asyncio.timeout(20):
            told = await asyncio.gather(*(self.deliverer.deliver(alert, alert.tick) for alert in alerts))
        return [[outcome.fate for outcome in outcomes] for outcomes in told]


async def test_few_alerts_go_alone():
    """Up to the limit, alerts go as messages of their own, once the time of the group is up."""
    case = Case()
    fates = await case.tell(make("x"), make("y"))
    assert fates == [[Fate.SENT], [Fate.SENT]]
    assert sorted(case.chat.ids) == [("x:1",), ("y:1",)]
    assert case.grouped == []


async def test_many_alerts_become_one_message():
    """More than the limit within the time are one message, per owner; their ends go where it was posted."""
    case = Case()
    others = [make(f"lee-{n}", attributes={"owner": "lee"}) for n in range(2)]
    fates = await case.tell(*(make(f"x-{n}") for n in range(3)), *others)
    assert fates == [[Fate.SENT]] * 5
    assert sorted(map(len, case.chat.ids)) == [1, 1, 3]
    assert case.grouped == [3]
    receipt = next(f"r{n}" for n, ids in enumerate(case.chat.ids, 1) if len(ids) == 3)
    await case.tell(make("x-1", phase=Phase.RESOLVED))
    assert case.chat.posted[-1].receipt == receipt


async def test_full_group_does_not_wait():
    """A group that is as large as a message can be ends at once."""
    case = Case(RECEIVERS + "route: {receiver: a, group_wait: 1h}")
    await case.tell(*(make(f"x-{n}") for n in range(2 * FULL)))
    assert [len(ids) for ids in case.chat.ids] == [FULL, FULL]


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("rule", sorted(FACTS))
async def test_no_fact_waits(rule, severity):
    """A fact waits for no group, whatever its severity."""
    case = Case(RECEIVERS + "route: {receiver: a, group_wait: 1h}")
    assert await case.tell(make(rule=rule, severity=severity)) == [[Fate.SENT]]


@pytest.mark.parametrize("alert", [make(phase=Phase.RESOLVED), make(revision=1, reason=Reason.CHANGED)])
async def test_what_follows_never_waits(alert):
    """Changes and ends wait for no group."""
    case = Case(RECEIVERS + "route: {receiver: a, group_wait: 1h}")
    assert await case.tell(alert) == [[Fate.SENT]]


@pytest.mark.parametrize("severity", Severity)
async def test_a_level_waits(severity):
    """First news of a level waits for its group, however severe."""
    case = Case(RECEIVERS + "route: {receiver: a, group_wait: 1h}")
    work = asyncio.create_task(case.tell(make(severity=severity)))
    await asyncio.sleep(0.05)
    assert case.chat.posted == []
    await case.deliverer.flush()
    assert await work == [[Fate.SENT]]


async def test_the_next_news_of_an_account_ends_its_group():
    """When an account of a group has something else to say, the group goes out first: order per account holds."""
    case = Case(RECEIVERS + "route: {receiver: a, group_wait: 1h}")
    work = asyncio.create_task(case.tell(make("x", 1), make("y", 1), make("x", 2, rule="silence_usage")))
    await asyncio.sleep(0.05)
    assert case.chat.posted == []
    await case.tell(make("x", 1, phase=Phase.RESOLVED))
    assert await work == [[Fate.SENT]] * 3
    assert [ids[0] for ids in case.chat.ids if ids[0].startswith("x")] == ["x:1", "x:2", "x:1"]


async def test_one_that_is_stuck_holds_up_nobody():
    """While one message of an ended group is retried, the others of it are done and their accounts go on."""
    stuck = asyncio.Event()

    async def act(message):
        if message.alerts[0].account_id == "x" and not stuck.is_set():
            raise SinkError("not now", retryable=True)

    case = Case(RECEIVERS + "route: {receiver: a, group_wait: 1s, group_limit: 5}", act)
    first = asyncio.create_task(case.tell(make("x")))
    await case.tell(make("y"))
    await case.tell(make("y", phase=Phase.RESOLVED))
    assert case.chat.ids == [("y:1",), ("y:1",)]
    stuck.set()
    await first


async def test_published_again_while_parked():
    """An alert published again while it waits for its group is sent once."""
    case = Case()
    fates = await case.tell(make("x"), make("x"))
    assert fates == [[Fate.SENT], [Fate.ALREADY_SENT]]
    assert len(case.chat.posted) == 1


async def test_flush():
    """Flushed groups go out at once: a shutdown does not wait for their time."""
    case = Case(RECEIVERS + "route: {receiver: a, group_wait: 1h, group_limit: 2}")
    work = asyncio.create_task(case.tell(*(make(f"x-{n}") for n in range(3))))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(5):
        await case.deliverer.flush()
    assert await work == [[Fate.SENT]] * 3
    assert [len(ids) for ids in case.chat.ids] == [3]


async def test_given_up_members_are_not_sent():
    """Who no longer waits (its partition went to another) is not sent with the group; nothing is kept of it."""
    case = Case(RECEIVERS + "route: {receiver: a, group_wait: 1h}")
    lost = asyncio.create_task(case.tell(make("x")))
    kept = asyncio.create_task(case.tell(make("y")))
    await asyncio.sleep(0.05)
    lost.cancel()
    await asyncio.gather(lost, return_exceptions=True)
    await case.deliverer.flush()
    await kept
    assert case.chat.ids == [("y:1",)]
    gone = asyncio.create_task(case.tell(make("z")))
    await asyncio.sleep(0.05)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert len(case.deliverer._groups) == len(case.deliverer._turns) == 0


async def test_refused_group():
    """A group refused for good is undeliverable for each of its alerts, and none is remembered as sent."""

    async def act(_message):
        raise SinkError("no", retryable=False)

    case = Case(act=act)
    assert await case.tell(*(make(f"x-{n}") for n in range(3))) == [[Fate.UNDELIVERABLE]] * 3
    assert case.log.entries == {}


COOL = RECEIVERS + "route: {receiver: a, group_wait: 0s}"


async def test_cooldown():
    """The same account and rule firing again within the cool-down is left out with all that follows; later it is told."""
    case = Case(COOL)
    again, later = NOW_MS + 29 * DAY_MS, NOW_MS + 30 * DAY_MS
    assert await case.tell(make("x", 1), make("x", 1, Phase.RESOLVED)) == [[Fate.SENT]] * 2
    episode = [
        make("x", 2, tick=again),
        make("x", 2, tick=again, revision=1),
        make("x", 2, Phase.RESOLVED, tick=later, revision=1),
    ]
    assert await case.tell(*episode) == [[Fate.COOLDOWN]] * 3
    assert await case.tell(make("x", 3, tick=later)) == [[Fate.SENT]]
    assert case.chat.ids == [("x:1",), ("x:1",), ("x:3",)]


async def test_what_does_not_cool_down():
    """Another account or rule, a fact, an opportunity, and an alert whose forerunner nobody heard of are told."""
    case = Case(COOL)
    await case.tell(
        make("x", 1), make("x", 2, rule="churn_notice"), make("x", 3, kind=Kind.OPPORTUNITY, rule="upsell")
    )
    old = make("z", 1, tick=NOW_MS - DAY_MS)
    assert [o.fate for o in await case.deliverer.deliver(old, NOW_MS)] == [Fate.COLD_START]
    told = [
        make("y", 4), make("x", 5, rule="rapid_drop"), make("x", 6, rule="churn_notice"),
        make("x", 7, kind=Kind.OPPORTUNITY, rule="upsell"), make("z", 2),
    ]  # fmt: skip
    assert await case.tell(*told) == [[Fate.SENT]] * 5


BOTH = """
receivers: [{name: a, sink: chat, channel: "#a"}, {name: b, sink: chat, channel: "#b"}, {name: web, sink: webhook}]
route:
  receiver: a
  group_wait: 0s
  routes:
    - {matchers: ['tier="mute"'], receiver: mute}
    - {matchers: ['tier="web"'], receiver: web}
    - {matchers: ['band="red"'], receiver: b, continue: true}
    - {receiver: a}
"""


async def test_several_receivers():
    """Each receiver has its own receipt; who heard of an alert hears of its end, wherever the routes lead by then."""
    case = Case(BOTH)
    assert await case.tell(make("x", band="red")) == [[Fate.SENT] * 2]
    receipts = {message.channel: f"r{n}" for n, message in enumerate(case.chat.posted, 1)}
    assert set(receipts) == {"#a", "#b"}
    assert await case.tell(make("x", phase=Phase.RESOLVED, band="amber")) == [[Fate.SENT] * 2]
    assert {m.channel: m.receipt for m in case.chat.posted[2:]} == receipts


async def test_a_change_reaches_new_receivers():
    """A change that the routes send to somebody new is news to them, and an update to those who knew."""
    case = Case(BOTH)
    await case.tell(make("x", band="amber"))
    await case.tell(make("x", band="red", revision=1))
    assert [(m.channel, m.receipt) for m in case.chat.posted] == [("#a", None), ("#a", "r1"), ("#b", None)]


async def test_nobody_hears():
    """A muted alert and one for other sinks have fates of their own."""
    case = Case(BOTH)
    assert await case.tell(make("x", attributes={"tier": "mute"})) == [[Fate.MUTED]]
    assert await case.tell(make("y", attributes={"tier": "web"})) == [[Fate.NOT_ROUTED]]
    assert case.chat.posted == []


async def test_random_storms_lose_nothing_and_keep_order():
    """In random storms with failures each phase arrives once, in order of its account, alone or in a group."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)

    async def act(_message):
        await asyncio.sleep(chance.random() / 500)
        if chance.random() < 0.2:
            raise SinkError("not now", retryable=True)

    case = Case(RECEIVERS + "route: {receiver: a, group_wait: 1s, group_limit: 3, cooldown: 0}", act)
    alerts, number = [], Counter()
    for _ in range(300):
        account = f"x-{chance.randrange(25)}"
        owner = {"owner": chance.choice(["dana", "lee"])}
        number[account] += 1
        alert = make(
            account, number[account], attributes=owner, rule=chance.choice(["rapid_drop", "complaint"])
        )
        alerts.append(alert)
        if chance.random() < 0.3:
            alerts.append(make(account, number[account], Phase.RESOLVED, attributes=owner))
    assert {fate for fates in await case.tell(*alerts) for fate in fates} == {Fate.SENT}
    arrived = [alert for message in case.chat.posted for alert in message.alerts]
    for account in number:
        expected = [(alert.id, alert.phase) for alert in alerts if alert.account_id == account]
        assert [(alert.id, alert.phase) for alert in arrived if alert.account_id == account] == expected
    assert sum(case.grouped) > 0
    assert len(case.deliverer._groups) == len(case.deliverer._turns) == 0
