"""The intake without a broker: blocks lost, doubled or overlapping, and feeds that are quiet or unknown."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.structs import OffsetAndMetadata
from faust.types import TP

from scoring.events import SOURCES
from streams.brake import TooManyDeadLettersError
from streams.clock import wall_ms
from streams.fetched_ends import FetchedEnd, LogBehindError
from tests.plumbing.intake_world import INPUTS, TICKETS, USAGE, Kept, Setup, block


@pytest.fixture
def setup() -> Setup:
    made = Setup(idle=0.001)
    made.resume(usage=10)
    return made


async def test_blocks_in_order_are_fed_once(setup):
    """Consecutive blocks are fed whole, even with holes between offsets; what comes twice is cut."""
    blocks = [block(10, 20, 10, 15), block(20, 25, 22), block(10, 20), block(24, 30), block(30, 31)]
    await setup.intake.take(blocks)
    assert setup.kept.offsets == [10, 15, 22, 25, 26, 27, 28, 29, 30]
    assert setup.intake.positions[USAGE] == 31
    assert not setup.intake.missed


async def test_who_has_much_to_fold_is_fed_no_more(setup):
    """Events do not pile up, decoded, while a partition catches up with many."""
    setup.kept.behind, setup.kept.waiting = 0.2, 6_000
    setup.intake.advance_all()
    await setup.intake.take([block(10, 20)])
    assert setup.kept.behind <= 0
    assert setup.kept.offsets == list(range(10, 20))


@pytest.mark.parametrize("end", ["lost", "closed"])
async def test_feeding_ends_when_what_it_waits_for_is_lost(setup, end):
    """A partition that is given up, or a worker that closes, lets nobody wait."""
    setup.kept.behind, setup.kept.waiting = 30.0, 6_000
    setup.intake.advance_all()
    taking = asyncio.ensure_future(setup.intake.take([block(10, 20)]))
    await asyncio.sleep(0.1)
    assert not taking.done()
    if end == "lost":
        setup.table.fresh.add(0)
    else:
        setup.intake.closed = True
    async with asyncio.timeout(5):
        await taking
    assert setup.kept.offsets == []
    setup.intake.closed = True


async def test_feeding_does_not_wait_for_a_long_catching_up(setup):
    """A batch waits some milliseconds for its partition; the rest of the work goes on aside, and only once at a time."""
    setup.kept.behind = 0.01
    await setup.intake.take([block(10, 20)])
    assert setup.kept.behind <= 0
    assert setup.intake.advance(0) is not None
    await asyncio.sleep(0.01)
    setup.kept.behind = 0.5
    for begin in (20, 30):
        await setup.intake.take([block(begin, begin + 10)])
        setup.intake.advance_all()
        assert setup.kept.behind > 0.05
    rest = setup.intake.advance(0)
    assert rest is not None
    async with asyncio.timeout(5):
        await rest
    assert setup.kept.behind <= 0
    assert setup.kept.most_walks == 1


async def test_partitions_catch_up_one_after_the_other(setup):
    """What is folded together is still in the cache; meanwhile the intake says that it is catching up."""
    setup.table.states[1] = Kept()
    for state in setup.table.states.values():
        state.behind, state.waiting = 0.1, 6_000
    setup.intake.advance_all()
    assert setup.intake.catching_up
    await setup.intake.advance(0)
    assert setup.kept.behind <= 0
    assert setup.table.states[1].behind > 0.08, "it may just have begun"
    async with asyncio.timeout(5):
        await setup.intake.advance(1)
    assert setup.table.states[1].behind <= 0
    assert not setup.intake.catching_up


async def test_partitions_tick_in_turns(setup):
    """With little to fold nobody waits for the end of another partition's tick before its own begins."""
    other = setup.table.states[1] = Kept()
    for state in setup.table.states.values():
        state.behind = 0.2
    setup.intake.advance_all()
    await setup.intake.advance(0)
    assert other.behind < 0.1
    async with asyncio.timeout(5):
        await setup.intake.advance(1)


async def test_a_tick_begins_while_another_partition_catches_up(setup):
    """What follows a tick can be folded from its beginning, so that waits for nobody; the rest of it does."""
    other = setup.table.states[1] = Kept()
    setup.kept.behind, setup.kept.waiting, other.behind = 0.2, 6_000, 0.1
    setup.intake.advance_all()
    await asyncio.sleep(0.05)
    assert 0.05 < other.behind < 0.1
    assert setup.kept.behind > 0
    async with asyncio.timeout(5):
        await setup.intake.advance(1)
    assert setup.kept.behind <= 0


async def test_what_follows_a_tick_does_not_wait_for_it(setup):
    """Who feeds a partition that ticks lets it fold meanwhile, and goes on."""
    setup.kept.behind = 0.2
    setup.intake.advance_all()
    await asyncio.sleep(0)
    setup.kept.ticks = True
    await setup.intake.take([block(10, 20)])
    assert setup.kept.between == 1
    assert setup.kept.behind > 0.1
    async with asyncio.timeout(5):
        await setup.intake.advance(0)


async def test_what_began_goes_on_when_feeding_is_cancelled(setup):
    """A partition is not left in the middle of a tick because whoever fed it was cancelled."""
    setup.kept.behind = 0.1
    feeding = asyncio.create_task(setup.intake.take([block(10, 20)]))
    await asyncio.sleep(0)
    feeding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await feeding
    assert setup.kept.behind > 0
    rest = setup.intake.advance(0)
    assert rest is not None
    async with asyncio.timeout(5):
        await rest
    assert (setup.kept.behind <= 0, setup.kept.walks, setup.kept.most_walks) == (True, 0, 1)


async def test_nothing_advances_once_the_intake_is_closed(setup):
    """What is under way stops at its next piece, and nothing new begins."""
    setup.kept.behind = 5
    await setup.intake.take([block(10, 20)])
    rest = setup.intake.advance(0)
    setup.intake.closed = True
    async with asyncio.timeout(1):
        await rest
    assert setup.intake.advance(0) is None


async def test_lost_block_is_noticed(setup):
    """A block that does not begin where the last one ended is refused, and asked for again."""
    await setup.intake.take([block(12, 20)])
    assert setup.kept.offsets == []
    assert setup.intake.missed
    assert setup.intake.positions[USAGE] == 10


async def test_old_generation_and_fresh_partitions_are_not_fed(setup):
    """Blocks of an earlier generation are dropped, and so are those of a partition not yet recovered."""
    await setup.intake.take([block(10, 20, generation=0)])
    setup.table.fresh.add(0)
    await setup.intake.take([block(10, 20)])
    assert setup.kept.offsets == []


def test_takeover_comes_after_every_source_was_resumed(setup):
    """A recovered partition is told the metadata of all its sources, then that it lives."""
    assert setup.kept.events == [(0, ""), (1, ""), "takeover"]


async def test_full_partition_is_left_out_until_it_is_half_empty(setup):
    """A source with too much in its queue is not fetched until it has fallen below half."""
    setup = Setup(max_queued=1000)
    setup.resume()
    setup.kept.offsets = list(range(1000))
    assert setup.intake.wanted([USAGE, TP("other", 0)]) == set()
    setup.kept.offsets = list(range(500))
    assert setup.intake.wanted([USAGE]) == set()
    setup.kept.offsets = list(range(499))
    assert setup.intake.wanted([USAGE]) == {USAGE}


async def test_who_waits_for_slower_sources_is_not_read_far_ahead(setup):
    """A source that others have to catch up with is read until 5,000 records wait; one that holds the clock back, until its queue is full."""
    setup = Setup(max_queued=20_000)
    setup.resume()
    for slow, queued, wanted in (
        ({1}, 4_999, True), ({1}, 5_000, False), ({0}, 5_000, True), ({0}, 19_999, True), ({0}, 20_000, False),
    ):  # fmt: skip
        setup.kept.slow, setup.kept.offsets = slow, list(range(queued))
        assert (USAGE in setup.intake.wanted([USAGE])) == wanted, (slow, queued)


async def test_nothing_is_fetched_while_too_many_rows_wait(setup):
    """What a last commit has to write stays bounded: no source is fetched until rows were written."""
    setup = Setup()
    setup.resume()
    setup.kept.rows_pending = 100_001
    assert setup.intake.wanted([USAGE]) == set()
    setup.kept.rows_pending = 100_000
    assert setup.intake.wanted([USAGE]) == {USAGE}


async def test_idle_needs_a_fresh_answer_and_a_read_end():
    """A feed is idle only if a recent fetch answer says that it is read to its end."""
    setup, long_ago = Setup(idle=60), -1e6
    setup.resume(usage=10)
    intake = setup.intake

    def idle(tickets_ms_ago: int = 0) -> set[int]:
        now = wall_ms()
        setup.ends |= {USAGE: FetchedEnd(11, now), TICKETS: FetchedEnd(0, now - tickets_ms_ago)}
        return intake.quiet(0)[1]

    assert intake.quiet(0)[1] == set()
    intake._touched = dict.fromkeys(intake._touched, long_ago)
    assert idle() == {1}
    await intake.take([block(10, 11, 10)])
    assert idle() == {1}
    intake._touched[USAGE] = long_ago
    assert idle() == {0, 1}
    assert idle(tickets_ms_ago=5_000) == {0}


async def test_quiet_is_known_up_to_the_question(setup):
    """What idle feeds were last asked bounds the clock: records appended since may be in no answer yet."""
    intake, now = setup.intake, wall_ms()
    assert now <= intake.quiet(0)[0] <= wall_ms()
    intake.positions[USAGE] = 11
    setup.ends |= {USAGE: FetchedEnd(11, now - 300), TICKETS: FetchedEnd(0, now - 20)}
    intake._touched = dict.fromkeys(intake._touched, 0.0)
    assert intake.quiet(0) == (now - 300, {0, 1})
    setup.ends[USAGE] = FetchedEnd(12, now - 300)
    assert intake.quiet(0) == (now - 20, {1})


async def test_brake(setup):
    """Too large a share of rejected records is a failure that says what to do."""
    setup = Setup(dead_letter_window=10)
    setup.resume()
    setup.dead = 3
    await setup.intake.take([block(0, 10)])
    assert setup.errors == []
    setup.dead = 9
    await setup.intake.take([block(10, 20)])
    assert isinstance(setup.errors[0], TooManyDeadLettersError)
    assert "dead-letters list" in str(setup.errors[0])


def test_what_was_deleted_unread_is_counted_once():
    """Counted from what was committed at a start, from what was fed later; each time that positions are asked for, but once."""
    fresh = Setup()
    starts = {TP(topic, 0): 0 for topic in INPUTS} | {USAGE: 70, TICKETS: 3}
    fresh.intake.resume(starts, {USAGE: OffsetAndMetadata(10, "")})  # of tickets nothing was read ever
    assert fresh.intake.deleted == {SOURCES[0]: 60}
    fresh.intake.resume(starts, {USAGE: OffsetAndMetadata(10, "")})
    assert fresh.intake.deleted == {SOURCES[0]: 60}
    fresh.intake.resume({USAGE: 75, TICKETS: 2}, {})  # tickets were read on meanwhile
    assert fresh.intake.deleted == {SOURCES[0]: 65}
    assert (fresh.intake.positions[USAGE], fresh.intake.positions[TICKETS]) == (75, 3)
    del fresh.table.states[0]  # somebody else's by now, who reads on
    fresh.intake.resume({USAGE: 500}, {USAGE: OffsetAndMetadata(500, "")})
    assert fresh.intake.deleted == {SOURCES[0]: 65}


def test_start_positions(setup):
    """Live partitions read on after what was fed, fresh ones after what was committed, none below the log."""
    committed = {USAGE: SimpleNamespace(offset=5, metadata="")}
    earliest, ends = {USAGE: 0, TICKETS: 0}, {USAGE: 50, TICKETS: 50}
    assert setup.intake.start_positions(committed, earliest, ends) == {USAGE: 10, TICKETS: 0}
    setup.table.fresh.add(0)
    assert setup.intake.start_positions(committed, earliest, ends) == {USAGE: 5, TICKETS: 0}
    assert setup.intake.start_positions(committed, {USAGE: 7, TICKETS: 3}, ends) == {USAGE: 7, TICKETS: 3}


@pytest.mark.parametrize(("offset", "seen"), [(60, -1), (None, 59)])
def test_input_that_ends_too_early_is_refused(setup, offset, seen):
    """An input that ends below what was committed, or below a fence in the rows, was created anew."""
    setup.table.fresh.add(0)
    setup.kept.highest = seen
    committed = {USAGE: SimpleNamespace(offset=offset, metadata="")} if offset else {}
    with pytest.raises(LogBehindError, match=r"usage\[0\] ends at offset 50, but was read up to 60"):
        setup.intake.start_positions(committed, {USAGE: 0}, {USAGE: 50})
