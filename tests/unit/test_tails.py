"""Tails stay encoded until they are read; whatever is let go of comes back as it was."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from msgspec import ValidationError, msgpack

from alerts.machine import Code
from alerts.rules.base import EMPTY
from scoring.tail import FactState, Held, LevelState, OverrideState, Tail
from scoring.tails import ALERTS, HELD, TOLD, Tails
from scoring.times import DAY

NOW = 20_000 * DAY
TICKS = np.full(30, NOW)
"""Of each row the tick it was evaluated at last."""
WAITS = Tail(held=[Held(NOW, 0, 7, NOW, b"{}")])
FIRES = Tail(levels={"at_risk": LevelState(Code.FIRING, NOW, 1, 0, 1, NOW)})
OVER = Tail(levels={"at_risk": LevelState(Code.INACTIVE, NOW, 1, 0, 1, NOW)})
REST = Tail(levels={"at_risk": LevelState(Code.INACTIVE, NOW, 1, 0, 1, NOW - 2 * DAY)})
FACT = Tail(facts={"complaint": {"T-1": FactState(NOW, NOW, firing=False)}})
PLAIN = Tail(attributes={"plan": (NOW, "team")})


def copy(tail: Tail) -> Tail:
    return Tail.decode(tail.encode())


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost(seed):
    """Over random changes, writes, restores and lettings go, every tail reads as that of a dictionary that keeps all of them."""
    random, tails, kept = Random(seed), Tails(), {}
    tails.most_decoded = 5
    for step in range(2_000):
        row = random.randrange(30)
        match random.randrange(6):
            case 0 | 1:
                tails.change(row).attributes["step"] = (step, step)
                kept.setdefault(row, Tail()).attributes["step"] = (step, step)
            case 2:
                assert tails.pack(row, NOW) == (kept[row].encode() if row in kept else b"")
            case 3:
                tails.shrink(TICKS)
            case 4 if row in kept:
                tails.put(row, kept[row].encode(), random.choice([0, TOLD]))
            case 5 if random.random() < 0.2:
                tails.drop(row)
                kept.pop(row, None)
            case _:
                assert tails.get(row, EMPTY) == kept.get(row, EMPTY)
        assert (row in tails) == (row in kept)
    assert {row: tails[row] for row in range(30) if row in tails} == kept


def test_those_known_longest_are_let_go():
    """Of more decoded tails than allowed, and some, the last ones known stay; the others are encoded first, if they changed."""
    tails = Tails()
    tails.most_decoded = 8
    for row in range(9):
        tails.change(row).attributes["plan"] = (NOW, row)
    first, last = tails[0], tails[8]
    tails.shrink(TICKS)
    assert tails[0] is first, "one more is not worth the while"
    tails.change(9).attributes["plan"] = (NOW, 9)
    tails.shrink(TICKS)
    assert tails[0] is not first
    assert tails[8] is last
    assert [tails[row].value("plan") for row in range(10)] == list(range(10))
    assert tails.change(0) is tails[0]


@pytest.mark.parametrize("written", [True, False], ids=["by this release", "by one that told no bits"])
def test_what_a_tail_holds(written):
    """After a restore, exactly those tails are looked into that may hold what is asked for, and those that nobody told of."""
    first, again = Tails(), Tails()
    for row, tail in enumerate((WAITS, FIRES, OVER, REST, FACT, PLAIN)):
        first[row] = copy(tail)
        data, bits = first.pack(row, NOW), int(first.bits(np.array([row]))[0])
        again.put(row, data, bits if written else 0)
    assert [row for row, _ in again.holding(HELD)] == [0]
    rested = [] if written else [3]
    assert sorted(row for row, _ in again.holding(ALERTS)) == sorted([1, 2, 4, *rested])
    assert dict(again.holding(HELD)) == {0: WAITS}


def test_what_changed_is_always_looked_into():
    """A tail that was changed after it was written may hold anything."""
    tails = Tails()
    tails[0] = copy(PLAIN)
    tails.pack(0, NOW)
    assert not list(tails.holding(HELD))
    tails.change(0).held = WAITS.held
    assert [row for row, _ in tails.holding(HELD)] == [0]


def test_a_glance_sees_what_the_tail_holds():
    """Attributes, notable events and override of an encoded tail are those of the tail, and it stays encoded."""
    told = Tail(
        attributes={"plan": (NOW, "team"), "mrr": (NOW, 5)},
        recent=[(NOW, "e-1", "ticket T-1 opened")],
        engaged=[("e-2", 7)],
        facts={"complaint": {"T-1": FactState(NOW, NOW, firing=True)}},
        override=OverrideState(NOW, 5_000, "why", "who", NOW + DAY),
    )
    tails = Tails()
    tails[0] = copy(told)
    tails.pack(0, NOW)
    tails.most_decoded = 0
    tails.shrink(TICKS)
    seen = tails.glance(0)
    assert seen is not tails.glance(0)
    assert (seen.attributes, seen.recent, seen.override) == (told.attributes, told.recent, told.override)
    assert tails.glance(1).attributes == {}
    assert tails[0] == told
    assert tails.glance(0) is tails[0]


def test_parts_are_decoded_when_they_are_read():
    """A part that nobody read is written as it came; parts that an earlier release did not have are empty; others do not exist."""
    raw = msgpack.encode([{"T-1": "no ticket"}, {}, {}, {"plan": (NOW, "team")}])
    tail = Tail.decode(raw)
    assert tail.attributes == PLAIN.attributes
    assert (tail.held, tail.override) == ([], None)
    assert msgpack.decode(tail.encode())[0] == {"T-1": "no ticket"}
    with pytest.raises(ValidationError):
        _ = tail.tickets
    with pytest.raises(AttributeError):
        _ = tail.ticket
    with pytest.raises(TypeError, match="ticket"):
        Tail(ticket={})
