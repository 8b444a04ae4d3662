"""Delivery of alerts to one sink: fates, order, retries."""

import asyncio
import random

import pytest

from alerts.delivery import HOUR_MS, Deliverer
from alerts.model import Alert, Kind, Phase, Reason, Severity
from alerts.sending import LONGEST_WAIT, Backoff, Fate, Outcome, Sender
from alerts.sinks.base import SinkError
from tests.memory_log import MemoryLog

NOW_MS = 1_800_000_000_000
QUICK = Backoff(first=0.001, longest=0.002)


class Channel:
    """A sink that does as told: `act` gets the alert and the number of its attempt."""

    name = "channel"

    def __init__(self, act=None) -> None:
        self.act = act
        self.sent: list[Alert] = []
        self.attempts: dict[str, int] = {}

    async def send(self, alert: Alert) -> None:
        self.attempts[alert.id] = attempt = self.attempts.get(alert.id, 0) + 1
        if self.act:
            await self.act(alert, attempt)
        self.sent.append(alert)

    async def close(self) -> None:
        pass


def make(account="a-1", number=1, phase=Phase.FIRING, tick=NOW_MS, revision=0) -> Alert:
    return Alert(
        id=f"{account}:{number}", phase=phase, rule="band_entered", kind=Kind.RISK,
        severity=Severity.CRITICAL, reason=Reason.CONDITION_MET, account_id=account, term=0,
        episode=str(number), at=tick, tick=tick, band="red",
        revision=revision,
    )  # fmt: skip


def delivering(sink, log, cold_start_hours=6.0, **arguments) -> Deliverer:
    return Deliverer(sink, Sender(sink, **arguments), log, cold_start_hours=cold_start_hours)


async def deliver(deliverer, alert) -> Outcome:
    """Without routes there is one receiver, so one outcome."""
    (outcome,) = await deliverer.deliver(alert, NOW_MS)
    return outcome


async def deliver_all(deliverer, alerts) -> list[Outcome]:
    async with asyncio.timeout(10):
        return await asyncio.gather(*(deliver(deliverer, alert) for alert in alerts))


async def test_sent_once():
    """The same id, phase and revision again is dropped; another phase or revision is not."""
    sink, log = Channel(), MemoryLog()
    deliverer = delivering(sink, log)
    alerts = [make(), make(), make(revision=1), make(revision=1), make(phase=Phase.RESOLVED, revision=1)]
    fates = [outcome.fate for outcome in await deliver_all(deliverer, alerts)]
    assert fates == [Fate.SENT, Fate.ALREADY_SENT, Fate.SENT, Fate.ALREADY_SENT, Fate.SENT]
    assert len(sink.sent) == 3


@pytest.mark.parametrize("phase", [Phase.INACTIVE, Phase.PENDING, Phase.NO_DATA])
async def test_steps_on_the_way_are_quiet(phase):
    """People hear of firing and resolved, not of the steps between."""
    sink = Channel()
    assert await deliver(delivering(sink, MemoryLog()), make(phase=phase)) == Outcome(Fate.QUIET_PHASE)
    assert sink.sent == []


async def test_cold_start_is_recorded_and_never_sent():
    """An alert made more than the limit before it was published is history, also when published again."""
    sink, log = Channel(), MemoryLog()
    deliverer = delivering(sink, log, cold_start_hours=6)
    on_the_limit, history = (
        make(number=1, tick=NOW_MS - 6 * HOUR_MS),
        make(number=2, tick=NOW_MS - 6 * HOUR_MS - 1),
    )
    outcomes = await deliver_all(deliverer, [on_the_limit, history])
    assert [outcome.fate for outcome in outcomes] == [Fate.SENT, Fate.COLD_START]
    assert (await deliver(deliverer, make(number=2))).fate is Fate.ALREADY_SENT
    assert sink.sent == [on_the_limit]


async def test_order_per_account_and_no_waiting_for_others():
    """While one account waits for its retries, its later alerts wait with it and all other accounts go on."""
    released = asyncio.Event()

    async def act(alert, _attempt):
        if alert.id == "slow:1" and not released.is_set():
            raise SinkError("not now", retryable=True)

    sink = Channel(act)
    deliverer = delivering(sink, MemoryLog(), concurrency=1, backoff=QUICK)
    alerts = [make("slow", n) for n in (1, 2, 3)] + [make(f"quick-{n}") for n in range(20)]
    work = asyncio.create_task(deliver_all(deliverer, alerts))
    while len(sink.sent) < 20:
        await asyncio.sleep(0.001)
    assert {alert.account_id for alert in sink.sent} == {f"quick-{n}" for n in range(20)}
    released.set()
    assert {outcome.fate for outcome in await work} == {Fate.SENT}
    assert [alert.id for alert in sink.sent[20:]] == ["slow:1", "slow:2", "slow:3"]


async def test_random_failures_keep_order_and_lose_nothing():
    """With random failures every alert arrives once, in the order of its account, few at a time."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    under_way = most = 0

    async def act(_alert, _attempt):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(chance.random() / 1000)
        under_way -= 1
        if chance.random() < 0.3:
            raise SinkError("not now", retryable=True, retry_after=chance.choice([None, 0.0, 0.001]))

    sink = Channel(act)
    deliverer = delivering(sink, MemoryLog(), concurrency=5, backoff=QUICK)
    alerts = [make(f"a-{chance.randrange(12)}", n) for n in range(200)]
    outcomes = await deliver_all(deliverer, alerts)
    assert {outcome.fate for outcome in outcomes} == {Fate.SENT}
    for account in {alert.account_id for alert in alerts}:
        expected = [alert.id for alert in alerts if alert.account_id == account]
        assert [alert.id for alert in sink.sent if alert.account_id == account] == expected
    assert most <= 5


async def test_final_refusal():
    """A final refusal is given up after one attempt, not remembered as sent, and lets the next pass."""

    async def act(alert, _attempt):
        if alert.id == "a-1:1":
            raise SinkError("answered 410", retryable=False)

    sink, log = Channel(act), MemoryLog()
    outcomes = await deliver_all(delivering(sink, log), [make(number=1), make(number=2)])
    assert outcomes == [Outcome(Fate.UNDELIVERABLE, 1, "answered 410"), Outcome(Fate.SENT, 1)]
    assert {alert_id for alert_id, _ in log.entries} == {"a-1:2"}


async def test_broken_sink():
    """A sink that raises anything else is a refusal that names the kind of fault and not its text."""

    async def act(_alert, _attempt):
        raise KeyError("T0KEN")

    outcome = await deliver(delivering(Channel(act), MemoryLog()), make())
    assert outcome.fate is Fate.UNDELIVERABLE
    assert "KeyError" in outcome.detail
    assert "T0KEN" not in outcome.detail


async def test_hanging_sink_is_retried():
    """A sink that hangs is cut off and tried again."""

    async def act(_alert, attempt):
        if attempt == 1:
            await asyncio.sleep(3600)

    outcome = await deliver(
        delivering(Channel(act), MemoryLog(), attempt_timeout=0.05, backoff=QUICK), make()
    )
    assert outcome == Outcome(Fate.SENT, 2)


async def test_retry_after_wins_over_backoff():
    """Waits grow with jitter up to the longest; a Retry-After replaces them, up to its own limit."""
    waits, errors = [], []
    asked = [None, None, 7.0, 1e9, 0.0]

    async def act(_alert, attempt):
        if attempt <= len(asked):
            raise SinkError("not now", retryable=True, retry_after=asked[attempt - 1])

    async def sleep(seconds):
        waits.append(seconds)

    deliverer = delivering(
        Channel(act),
        MemoryLog(),
        backoff=Backoff(first=1.0, longest=60.0),
        sleep=sleep,
        on_retry=errors.append,
    )
    assert await deliver(deliverer, make()) == Outcome(Fate.SENT, 6)
    assert 0.5 <= waits[0] <= 1.0 <= waits[1] <= 2.0
    assert waits[2:] == [7.0, LONGEST_WAIT, 0.0]
    assert len(errors) == 5


@pytest.mark.parametrize(("attempt", "full"), [(1, 0.5), (2, 1.0), (8, 60.0), (10_000, 60.0)])
def test_backoff(attempt, full):
    """The wait doubles up to its limit, of which jitter takes at most half."""
    assert Backoff().delay(attempt, 1.0) == full
    assert Backoff().delay(attempt, 0.0) == full / 2


async def test_nothing_is_kept_of_accounts_that_are_done():
    """The order of accounts costs memory only while their alerts are under way, also after a cancellation."""

    async def act(alert, _attempt):
        if alert.account_id == "stuck":
            await asyncio.sleep(3600)

    deliverer = delivering(Channel(act), MemoryLog())
    stuck = [asyncio.create_task(deliverer.deliver(make("stuck", n), NOW_MS)) for n in range(3)]
    await deliver_all(deliverer, [make(f"a-{n}") for n in range(50)])
    for task in stuck:
        task.cancel()
    await asyncio.gather(*stuck, return_exceptions=True)
    assert len(deliverer._turns) == 0
