"""Turns: long work of several tasks never adds up between two turns of the loop."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from streams.turns import Turn, Turns


async def test_one_piece_of_work_between_two_turns_of_the_loop():
    """Four tasks that work for 8 ms at a time keep a timer waiting for one of these pieces, not for four."""
    turns, worked, alone = Turns(), [], []

    async def work(name: int) -> None:
        async with Turn(turns) as turn:
            for _ in range(10):
                worked.append(name)
                time.sleep(0.008)
                await turn.pause()

    async def watch() -> None:
        while True:
            before = len(worked)
            await asyncio.sleep(0)
            alone.append(len(worked) - before)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*map(work, range(4)))
    watching.cancel()
    assert max(alone) == 1
    assert sorted(worked) == [name for name in range(4) for _ in range(10)]
    assert len(set(worked[:8])) == 4, "nobody waits for another to come to its end"


async def test_a_turn_is_given_up_for_what_others_have_to_do():
    """Who waits for somebody else's work does not keep him from it."""
    turns = Turns()

    async def other() -> None:
        async with Turn(turns):
            pass

    async with asyncio.timeout(5), Turn(turns) as turn:
        await turn.aside(other())
        assert turns.taken
    assert not turns.taken


@pytest.mark.parametrize("waiting", [True, False])
async def test_nobody_keeps_a_turn_that_was_cancelled(waiting):
    """A task that is cancelled while it works, or while it waits for its turn, leaves the turn to others."""
    turns = Turns()

    async def work() -> None:
        async with Turn(turns) as turn:
            while True:
                time.sleep(0.006)
                await turn.pause()

    tasks = [asyncio.create_task(work()) for _ in range(2)]
    await asyncio.sleep(0.03)
    if waiting:
        await turns.acquire(patient=False)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert turns.taken == waiting


async def test_a_turn_handed_to_somebody_who_was_cancelled_goes_on_to_the_next():
    """Between being given a turn and waking up with it one may be cancelled: the turn is not lost."""
    turns = Turns()
    await turns.acquire(patient=False)
    waiting = [asyncio.create_task(turns.acquire(patient=patient)) for patient in (False, True)]
    await asyncio.sleep(0)
    turns.release()
    waiting[0].cancel()
    async with asyncio.timeout(5):
        await waiting[1]
    assert turns.taken
    turns.release()
    assert not turns.taken


@pytest.mark.parametrize("others", [1, 3])
async def test_the_patient_let_others_go_first_but_not_for_ever(others):
    """Beside one or three in a hurry, the patient one has one turn in five, and all of them once it is alone."""
    turns, worked = Turns(), []

    async def work(name: str, count: int, *, patient: bool) -> None:
        async with Turn(turns, patient=patient) as turn:
            for _ in range(count):
                worked.append(name)
                time.sleep(0.006)
                await turn.pause()

    hurried = [work("hurried", 24 // others, patient=False) for _ in range(others)]
    await asyncio.gather(*hurried, work("patient", 8, patient=True))
    shared = worked[: len(worked) - worked[::-1].index("hurried")]
    assert [at for at, name in enumerate(shared) if name == "patient"] == [5, 10, 15, 20, 25]
    assert Counter(worked) == {"hurried": 24, "patient": 8}
