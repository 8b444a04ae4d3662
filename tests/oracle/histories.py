"""Random logs of one partition: some accounts, all sources, everything that goes wrong in real feeds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from tests.oracle.arcs import ARCS, Arc, brief, pulse, rhythm
from tests.oracle.cast import NATURAL_SOURCE, Body, Cast
from tests.oracle.instants import DAY, EPOCH, HOUR, MINUTE, SECOND, millis
from tests.oracle.models import random_model
from tests.oracle.reading import FUTURE, LogRecord
from tests.oracle.stories import bodies

BASE = millis("2026-01-01")
BAD_TIMES = ("2026-02-30T12:00:00Z", "2026-01-01T12:00:00.000", "2026-01-01T25:00:00+00:00")
BAD_QUANTITIES = (-1, "1", None, True, 1e10)
NOT_JSON = (b"{", b"", b"\xff\xfe", b'{"ts": NaN}')
LATENESS: dict[Callable[[Random, int], int], int] = {
    lambda r, grace: r.randint(0, max(grace, 1)): 60,
    lambda r, _: r.randint(0, 2 * HOUR): 15,
    lambda r, _: r.randint(0, 3 * DAY): 8,
    lambda r, _: r.randint(0, 100 * DAY): 4,
    lambda r, _: r.randint(120, 140) * DAY: 3,
}
"""How far behind its time an event arrives (ms), by how often."""


@dataclass(frozen=True)
class Scenario:
    """A log and the clock to tell it with; ms."""

    seed: int
    records: list[LogRecord] = field(repr=False)
    tick: int
    grace: int
    until: int | None
    days: int
    model: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class _Arrival:
    at: int
    source: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def scenario(seed: int, *, density: str | None = None, events: int = 150) -> Scenario:
    """A seeded history and a clock that fits: `dense` (hours), `medium` (weeks), `sparse` (months) or any."""
    random = Random(f"scenario {seed}")
    density = density or random.choice(("dense", "medium", "sparse"))
    days, tick = {
        "dense": (random.randint(2, 5), random.choice((MINUTE, HOUR, HOUR))),
        "medium": (random.randint(8, 40), random.choice((6 * HOUR, 6 * HOUR, DAY))),
        "sparse": (random.randint(100, 200), DAY),
    }[density]
    grace = random.choice((0, 500, 1, 30 * SECOND, MINUTE, HOUR))
    accounts = random.randint(1, 5)
    arcs = random.choice((0, 2, 3, 4))
    records = history(seed, days=days, tick=tick, grace=grace, events=events, accounts=accounts, arcs=arcs)
    end = max(record.timestamp for record in records)
    until = random.choice(
        (None, None, end // tick * tick, (end // tick + 1) * tick + random.choice((0, DAY, 9 * DAY)))
    )
    model = random_model(Random(f"model {seed}"), days)
    return Scenario(seed, records, tick, grace, until, days, model)


def history(
    seed: int,
    *,
    accounts: int = 4,
    events: int = 150,
    days: int = 10,
    tick: int = HOUR,
    grace: int = 500,
    arcs: int = 2,
    rejects: float = 0.05,
    start: int | None = None,
) -> list[LogRecord]:
    """A random log, by arrival; the same for the same arguments.

    Args:
        seed: of the random choices.
        accounts: how many accounts there are.
        events: how many records about; bursts and repetitions come on top.
        days: over how many days the events happen (late ones reach back further).
        tick: grid in ms whose boundaries times like to fall on.
        grace: ms that feeds are shuffled within.
        arcs: how many long stories are told beside what happens at random.
        rejects: share of records that are none.
        start: ms; else a random day.
    """
    random = Random(f"history {seed}")
    first = BASE + random.randint(0, 700) * DAY if start is None else start
    cast = Cast.random(random, accounts, first, first + days * DAY)
    arrivals, told = _anchors(cast), _arcs(random, cast, arcs)
    while told or len(arrivals) < events:
        told = told or list(bodies(random, cast, _moment(random, cast, tick)))
        for body in told:
            source = _source(cast, body)
            arrivals += _sent(random, cast, body, source, grace)
            if random.random() < rejects:
                arrivals.append(_reject(random, cast, body, source))
        told = []
    return _logged(random, _without_outage(random, cast, arrivals))


def _arcs(random: Random, cast: Cast, number: int) -> list[Body]:
    """Long stories, each of one account, in a calm history."""
    if not number:
        return []
    cast.weights["ending"] = random.choice((0, 0, 1))
    if len(cast.accounts) > 1 and random.random() < 0.7:
        cast.busy = cast.accounts[:-1]
    chosen = [random.choice(ARCS) for _ in range(number)]
    chosen += [pulse] if rhythm in chosen or random.random() < 0.4 else []
    places = {pulse: 0, rhythm: -1, brief: -1}
    told = []
    for arc in chosen:
        place = places.get(arc, random.randrange(len(cast.accounts)))
        told += arc(Arc(random, cast, cast.accounts[place]))
    return told


def _source(cast: Cast, body: Body) -> int:
    """The usual source of a type; where strays are, some engagement of nobody in particular comes elsewhere."""
    anonymous = body["type"] == "engagement" and "contact_id" not in body and "role" not in body
    if cast.strays and anonymous and int(body["event_id"][1:]) % 3 == 0:
        return int(body["event_id"][1:]) % 5
    return NATURAL_SOURCE[body["type"]]


def _without_outage(random: Random, cast: Cast, arrivals: list[_Arrival]) -> list[_Arrival]:
    """Sometimes one feed tells nothing for a good while."""
    if random.random() < 0.7:
        return arrivals
    span, source = cast.last - cast.first, random.choice((0, 5))
    start = cast.first + int(span * random.uniform(0.4, 0.7))
    end = start + int(span * random.uniform(0.1, 0.3))
    return [a for a in arrivals if a.source != source or not start <= a.at < end]


def _anchors(cast: Cast) -> list[_Arrival]:
    """One event at the start of every feed, so that the clock does not begin months before the story."""
    account, plain = cast.accounts[0], {"quantity": 0}
    firsts: list[Body] = [
        {"type": "usage", **plain},
        {"type": "ticket", "action": "opened", "ticket_id": "T0"},
        {"type": "invoice", "action": "issued", "invoice_id": "I0"},
        {"type": "survey", "kind": "nps", "score": 7},
        {"type": "account", "action": "created", "seats": 30},
        {"type": "churn", "scope": "subscription"},
    ]
    common = {"account_id": account, "time": cast.first}
    stamped = [{**body, **common, "event_id": f"anchor-{place}"} for place, body in enumerate(firsts)]
    return [_arrival(body, NATURAL_SOURCE[body["type"]], cast.first) for body in stamped]


def _moment(random: Random, cast: Cast, tick: int) -> int:
    """A time of the story, often exactly on a boundary or a millisecond beside it."""
    time = random.randint(cast.first + 1, cast.last)
    if random.random() < 0.3:
        grid = random.choice((tick, HOUR, DAY, 7 * DAY))
        time = time // grid * grid + random.choice((-1, 0, 1))
    return min(max(time, cast.first), cast.last)


def _sent(random: Random, cast: Cast, body: Body, source: int, grace: int) -> list[_Arrival]:
    """The event on its way into the log: late or not, sometimes more than once."""
    if "arrives" in body:
        return [_arrival(body, source, body["arrives"])]
    behind = random.choices(list(LATENESS), list(LATENESS.values()))[0](random, grace)
    at = body["time"] + behind
    if behind > 3 * DAY:
        body, at = {**body, "time": body["time"] - behind}, body["time"]
    at = at if at >= cast.first else random.randint(cast.first, cast.last)
    arrivals = [_arrival(body, source, at)]
    if random.random() < 0.05:
        arrivals = [replace(arrivals[0], value=enveloped(encoded(body)))]
    if random.random() < 0.12:
        again = random.choice((0, 1, MINUTE, HOUR, DAY, 5 * DAY, 40 * DAY))
        arrivals.append(_arrival(body, source, min(at + again, cast.last + DAY)))
    if random.random() < 0.03 and body["time"] > cast.first + FUTURE:
        ahead = random.choice((1, 999, 5 * MINUTE, FUTURE))
        arrivals.append(_arrival({**body, "event_id": body["event_id"] + "+"}, source, body["time"] - ahead))
    return arrivals


def _arrival(body: Body, source: int, at: int, key: bytes | None = None) -> _Arrival:
    return _Arrival(at, source, at, key or body["account_id"].encode(), encoded(body))


def encoded(body: Body) -> bytes:
    """The event as JSON; its `time` in ms becomes `ts`, in any form that RFC 3339 allows."""
    fields: dict[str, Any] = {"ts": rfc3339(body["time"]), **body}
    for name in ("time", "arrives"):
        fields.pop(name, None)
    for name in ("due_at", "expires_at"):
        if name in fields:
            fields[name] = rfc3339(fields[name])
    return json.dumps(fields, ensure_ascii=body["time"] % 2 == 0).encode()


def enveloped(value: bytes, **changes: Any) -> bytes:
    """An event inside a CloudEvents envelope that says what the event then leaves out."""
    data = json.loads(value)
    envelope = {"specversion": "1.0", "source": "/crm", "id": data.pop("event_id"), "data": data}
    envelope |= {
        "subject": data.pop("account_id"),
        "time": data.pop("ts"),
        "type": f"com.acme.{data.pop('type')}",
    }
    return _json(envelope, **changes)


def rfc3339(time: int) -> str:
    """A time in ms as text; offset and number of digits vary with it."""
    hours = (0, 0, 0, 2, -5)[time // SECOND % 5]
    local = time + hours * HOUR
    seconds, fraction = divmod(local, SECOND)
    date = EPOCH.fromtimestamp(seconds, EPOCH.tzinfo).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f".{fraction:03d}" + ("", "", "999")[time % 3] if fraction or time % 2 else ""
    return f"{date}{digits}" + (f"{hours:+03d}:00" if hours else ("Z", "+00:00")[time // MINUTE % 2])


def _reject(random: Random, cast: Cast, body: Body, source: int) -> _Arrival:
    """A record that is a dead letter, each reason in turn, sometimes with a second fault behind the first."""
    at, key, text = max(body["time"], cast.first), body["account_id"].encode(), encoded(body)
    fields = json.loads(text)
    faults: tuple[Callable[[], tuple[bytes | None, bytes | None]], ...] = (
        lambda: (None, text),
        lambda: (key, None),
        lambda: (key, random.choice((*NOT_JSON, text[:-1], text + b"}"))),
        lambda: (key, text.ljust((1 << 20) + 1)),
        lambda: (key, _json(fields, type=random.choice(("purchase", "", "Usage", "Engagement", None, 5)))),
        lambda: (key, enveloped(text, data=random.choice((None, "text", [], {})))),
        lambda: (key, enveloped(text, type="com.acme.unheard-of")),
        lambda: (key, enveloped(text, id=None)),
        lambda: (key, _json(fields, type="engagement", channel="fax")),
        lambda: (key, _json(fields, type="milestone", kind="goal_progress", value=100.5)),
        lambda: (key, _json(fields, type="milestone", kind="goal_progress", due_at=BAD_TIMES[0])),
        lambda: (key, _json(fields, type="override", reason="", author="a", expires_at=BAD_TIMES[1])),
        lambda: (key, _json(fields, ts="1969-12-31T23:59:59.999Z")),
        lambda: (key, _json(fields, type="ticket", ticket_id="T1", action="escalated", ts="never")),
        lambda: (key, _json(fields, type="usage", quantity=random.choice(BAD_QUANTITIES), ts=BAD_TIMES[0])),
        lambda: (key, _json(fields, event_id=random.choice(("", None, 5, "x" * 257)))),
        lambda: (key, _json(fields, ts=random.choice(BAD_TIMES))),
        lambda: (key, _json(fields, type="survey", kind="nps", score=random.choice((10.001, -1, 11)))),
        lambda: (b"other", _json(fields, type="survey", kind="mood", score=1, scale_min=3, scale_max=3)),
        lambda: (random.choice((b"other", b"", key + b" ")), text),
        lambda: (key, _json(fields, ts=rfc3339(at + FUTURE + 1))),
        lambda: (key, _json(fields, ts=rfc3339(at + 400 * DAY))),
    )  # fmt: skip
    given, value = random.choice(faults)()
    return _Arrival(at, source, at, given, value)


def _json(fields: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({**fields, **changes}).encode()


def _logged(random: Random, arrivals: list[_Arrival]) -> list[LogRecord]:
    """Offsets by arrival within each source, with the gaps that compaction and transactions leave."""
    records, offsets = [], [random.choice((0, 0, 1_000_000)) for _ in range(6)]
    for a in sorted(arrivals, key=lambda a: a.at):
        records.append(LogRecord(a.source, offsets[a.source], a.timestamp, a.key, a.value))
        offsets[a.source] += 1 if random.random() < 0.9 else random.randint(2, 50)
    return records
