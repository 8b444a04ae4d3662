"""Where inputs end, as fetch answers tell: of what time an answer speaks, and what it does not say."""

import asyncio

import pytest
from aiokafka.protocol.fetch import FetchRequest, FetchResponse_v11

from streams.clock import wall_ms
from streams.fetched_ends import FetchedEnd, FetchedEnds
from tests.plumbing.intake_world import INPUTS, TICKETS, USAGE, Setup, block


@pytest.fixture
def setup() -> Setup:
    made = Setup(idle=0.001)
    made.resume(usage=10)
    return made


class Client:
    """A connection that answers a fetch when the test says so."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[FetchResponse_v11] = asyncio.Queue()

    async def send(self, node_id: int, request: FetchRequest) -> FetchResponse_v11:
        return await self.answers.get()

    def answer(self, end: int, stable: int | None = None, error: int = 0) -> None:
        """Both inputs end there."""
        stable = end if stable is None else stable
        topics = [(name, [(0, error, end, stable, 0, None, -1, b"")]) for name in INPUTS]
        self.answers.put_nowait(FetchResponse_v11(0, 0, 0, topics))


FETCH = FetchRequest(-1, 50, 1, 1 << 20, 0, {})


def forever(now: int) -> int:
    return 1000


async def test_answer_from_before_a_freeze_is_no_sign_of_quiet(setup):
    """An answer that was given before the process was frozen says nothing about the time of the freeze; the next one does."""
    now = [wall_ms()]
    setup.intake._clock = lambda: now[0]
    ends, client = FetchedEnds(lambda: now[0], forever), Client()
    setup.intake._fetched_end = ends.get
    setup.intake._touched = dict.fromkeys(setup.intake._touched, 0.0)
    ends.listen(client)
    asking = asyncio.create_task(client.send(0, FETCH))
    await asyncio.sleep(0)
    client.answer(10)
    now[0] += 60_000  # frozen: the answer lies in the socket, and others append
    await asking
    assert setup.intake.quiet(0)[1] == set()
    client.answer(12)
    await client.send(0, FETCH)
    assert setup.intake.quiet(0)[1] == set()  # there is something to read
    await setup.intake.take([block(10, 12)])
    setup.intake.positions[TICKETS] = 12
    setup.intake._touched = dict.fromkeys(setup.intake._touched, 0.0)
    assert setup.intake.quiet(0)[1] == {0, 1}
    now[0] -= 60_000
    assert setup.intake.quiet(0)[1] == set()  # the clock was set back: nothing is known until the next answer


async def test_end_is_that_of_what_may_be_read():
    """Records of open transactions lie beyond the end, and an answer with an error tells none."""
    ends, client = FetchedEnds(lambda: 5, forever), Client()
    ends.listen(client)
    client.answer(10, stable=7)
    await client.send(0, FETCH)
    client.answer(99, error=3)
    await client.send(0, FETCH)
    assert ends.get(USAGE) == FetchedEnd(7, 5)
    client.answer(10, stable=-1)
    await client.send(0, FETCH)
    assert ends.get(USAGE) == FetchedEnd(10, 5)


async def test_answer_that_nothing_is_left_is_told():
    """aiokafka moves on to what is left without a word, and while nothing is, no record would show it."""
    ends, client = FetchedEnds(lambda: 5, forever), Client()
    ends.listen(client)
    client.answer(10)
    await client.send(0, FETCH)
    client.answer(99, error=3)
    await client.send(0, FETCH)
    assert not ends.out_of_range
    client.answer(-1, error=1)
    await client.send(0, FETCH)
    assert ends.out_of_range
