"""Who owns which partition, and when its state may stand: the table of Faust as it is, with a log in place of Kafka."""

from __future__ import annotations

import random
from collections import defaultdict
from types import SimpleNamespace

import pytest
from aiokafka.errors import IllegalStateError, KafkaTimeoutError
from faust.types import TP

from streams.clock_metadata import sealed
from streams.faust_app import faust_app
from streams.fence import StateLostError
from streams.fetch import RecordBlock
from streams.own_records import TERM_KEY
from streams.settings import Kafka, Settings
from streams.table import StateTable

STATE, INPUT = "p.state", "p.usage"


class Log:
    """The changelog: who appended which record, by partition."""

    def __init__(self) -> None:
        self.records: dict[int, list[str]] = defaultdict(list)

    def append(self, number: int, who: str) -> int:
        self.records[number].append(who)
        return len(self.records[number]) - 1


class Writer:
    """What `FencedWriter` does with the log when it takes partitions over."""

    def __init__(self, log: Log, who: str) -> None:
        self.log, self.who = log, who
        self.owned: frozenset[int] = frozenset()
        self.broken = False

    async def acquire(self, numbers):
        if self.broken:
            raise KafkaTimeoutError("no broker")
        self.owned |= set(numbers)
        return {TP(STATE, number): self.log.append(number, self.who) for number in numbers}

    def release(self, numbers) -> None:
        self.owned -= set(numbers)


class State:
    """A partition that keeps what it is restored from."""

    def __init__(self) -> None:
        self.rows: list[tuple[bytes, bytes | None]] = []
        self.upto = -1
        """Where the log stood when it went live."""

    def restore(self, rows) -> None:
        self.rows += rows

    def takeover(self) -> None:
        pass


class Member:
    """A worker as far as ownership goes."""

    def __init__(self, log: Log, who: str = "me") -> None:
        self.log = log
        self.actives: set[TP] = set()
        self.errors: list[BaseException] = []
        app = faust_app(Settings(topic_prefix="p.", kafka=Kafka(group=who)))
        app.assignor = SimpleNamespace(assigned_actives=lambda: self.actives)
        self.writer = Writer(log, who)
        self.table = StateTable(
            app,
            topic=STATE,
            inputs=[INPUT],
            make=lambda _: State(),
            writer=self.writer,
            fail=self.errors.append,
        )
        app.tables.add(self.table)
        self.recovery = app.tables.recovery

    async def rebalance(self, generation: int, *owned: int, standby: tuple[int, ...] = ()) -> None:
        self.actives = {TP(STATE, number) for number in owned}
        everything = {TP(topic, number) for topic in (STATE, INPUT) for number in owned}
        everything |= {TP(STATE, number) for number in standby}
        await self.table.on_rebalance(everything, set(), everything, generation)

    def recover(self) -> None:
        """Read the changelog of fresh partitions to its end, and go live."""
        for number in sorted(self.table.fresh):
            end = len(self.log.records[number])
            self.restore(block(number, 0, end))
            self.table.states[number].upto = end
            self.table.go_live(number)

    def restore(self, told: RecordBlock) -> None:
        event = SimpleNamespace(message=SimpleNamespace(value=[told]))
        self.table.apply_changelog_batch([event])

    def write(self, number: int) -> None:
        self.table.written({TP(STATE, number): self.log.append(number, self.writer.who)})

    async def live(self, generation: int, *owned: int) -> Member:
        await self.rebalance(generation, *owned)
        self.recover()
        return self


def block(number: int, begin: int, end: int, key: bytes = b"acme") -> RecordBlock:
    records = [SimpleNamespace(offset=at, timestamp=0, key=key, value=b"%d" % at) for at in range(begin, end)]
    return RecordBlock(TP(STATE, number), begin, end, records)


async def test_standby_is_not_ownership():
    """A changelog partition that is assigned but not active is neither taken over nor given a state."""
    me = Member(Log())
    await me.rebalance(1, 0, standby=(1,))
    assert set(me.table.states) == me.table.fresh == me.writer.owned == {0}
    assert me.log.records[1] == []


async def test_inputs_without_their_changelog_are_refused():
    """An assignor that does not see the changelog deals out the inputs alone; a standby of it is none."""
    me = await Member(Log()).live(1, 0)
    for seen in ({TP(INPUT, 0)}, {TP(INPUT, 0), TP(STATE, 0)}):
        me.actives = set()
        with pytest.raises(RuntimeError, match=r"not to any: .*p.state.*missing"):
            await me.table.on_rebalance(seen, set(), set(), 2)


async def test_a_changelog_that_is_shorter_than_it_was_is_refused():
    """What others committed tells where the changelog ended: if it ends before that when it is taken over, rows are gone."""
    log = Log()
    other = await Member(log, "other").live(1, 0)
    for _ in range(5):
        other.write(0)
    told = sealed("[4,2,0,[0,0,[]]]", other.table.logged(0))
    me = await Member(log).live(1, 0)
    me.table.expect_logged(0, told)
    me.table.expect_logged(0, "")
    del log.records[0][3:]
    other = await Member(log).live(1, 0)
    with pytest.raises(StateLostError, match=r"p.state\[0\] held records up to offset 6, and ends at 3"):
        other.table.expect_logged(0, told)


async def test_what_became_standby_is_dropped():
    """A state that is only a standby from now on is forgotten, with its place in the log and its epoch, and is made anew later."""
    me = await Member(Log()).live(1, 0, 1)
    kept, lost = me.table.states[0], me.table.states[1]
    me.recovery.active_offsets[TP(STATE, 1)] = 7
    await me.rebalance(2, 0, standby=(1,))
    assert me.table.states == {0: kept}
    assert me.writer.owned == {0}
    assert TP(STATE, 1) not in me.recovery.active_offsets
    await me.rebalance(3, 0, 1)
    assert me.table.states[0] is kept
    assert me.table.states[1] is not lost
    assert (me.table.fresh, me.table.persisted_offset(TP(STATE, 1))) == ({1}, None)


async def test_own_rows_never_replace_live_state():
    """Rows that are read back after the recovery are left alone, and Faust is not told to read them back at all."""
    me = await Member(Log()).live(1, 0)
    before = list(me.table.states[0].rows)
    me.restore(block(0, 0, 1, b"older"))
    assert me.table.states[0].rows == before
    assert me.table.recovery_buffer_size > 1  # with 1 Faust goes on reading the changelogs of what it owns


async def test_lost_rows_end_the_worker():
    """A changelog that goes on behind a gap is an error, not a state with something missing."""
    me = Member(Log())
    await me.rebalance(1, 0)
    me.restore(block(0, 0, 2))
    me.restore(block(0, 3, 4))
    assert "lost the rows from 2 to 2" in str(me.errors[0])


async def test_rows_are_put_back_when_all_are_read():
    """Of rows that replace each other only the newest reaches the state, as soon as our own term was read; none of a partition that was lost before."""
    me = Member(Log())
    await me.rebalance(1, 0, 1)
    for number in (0, 1):
        me.table._term[number] = 3
        me.restore(block(number, 0, 3))
    assert [state.rows for state in me.table.states.values()] == [[], []]
    await me.rebalance(2, 0)
    me.restore(block(0, 3, 4, TERM_KEY))
    assert me.table.recovered(0)
    assert me.table.states[0].rows == [(b"acme", b"2")]
    await me.rebalance(3, 0, 1)
    me.restore(block(1, 0, len(me.log.records[1]), TERM_KEY))
    assert me.table.states[1].rows == []


async def test_terms_are_no_rows():
    """The engine's own records are read over, and count as read."""
    me = Member(Log())
    await me.rebalance(1, 0)
    me.restore(block(0, 0, 1, TERM_KEY))
    assert me.table.states[0].rows == []
    assert me.table.recovered(0)


@pytest.mark.parametrize("generation", [2, 3, 9])
async def test_state_stands_after_a_missed_generation_if_nobody_else_wrote(generation):
    """Back after any number of generations, with nothing but own records in the log, a member keeps what it has and recovers nothing."""
    me = await Member(Log()).live(1, 0)
    state = me.table.states[0]
    me.write(0)
    await me.rebalance(generation, 0)
    assert me.table.states[0] is state
    assert set(me.table.live()) == {0}
    assert me.table.recovered(0)
    assert me.table.persisted_offset(TP(STATE, 0)) == len(me.log.records[0]) - 1


async def test_state_falls_after_a_missed_generation_if_somebody_took_it_over():
    """Whoever owned the partition meanwhile, be it without writing a row, has appended its term: then the state is made anew."""
    me = await Member(Log()).live(1, 0, 1)
    states = dict(me.table.states)
    me.log.append(1, "other")
    await me.rebalance(3, 0, 1)
    assert me.table.states[0] is states[0]
    assert me.table.states[1] is not states[1]
    assert me.table.fresh == {1}
    assert me.table.persisted_offset(TP(STATE, 1)) is None
    assert not me.table.recovered(1)


async def test_fenced_state_falls_whatever_the_log_says():
    """After a refused write nobody knows which of the rows of that flush are in the log: all state is made anew."""
    me = await Member(Log()).live(1, 0, 1)
    states = dict(me.table.states)
    me.table.poison()
    await me.rebalance(2, 0, 1)
    assert not {id(s) for s in me.table.states.values()} & {id(s) for s in states.values()}
    assert me.table.fresh == {0, 1}
    assert me.table.poisoned_since is None


async def test_half_recovered_state_falls_after_a_missed_generation():
    """What was not yet live when a generation was missed is made anew."""
    me = Member(Log())
    await me.rebalance(1, 0)
    half = me.table.states[0]
    await me.rebalance(3, 0)
    assert me.table.states[0] is not half
    assert me.table.fresh == {0}


async def test_doubt_outlives_an_interrupted_takeover():
    """If the group moves on while it is being found out whether the state stands, it is found out the next time, and nothing is flushed until then."""
    me = await Member(Log()).live(1, 0)
    state = me.table.states[0]
    me.log.append(0, "other")
    me.writer.broken = True
    with pytest.raises(KafkaTimeoutError):
        await me.rebalance(3, 0)
    assert me.table.live() == {}
    me.writer.broken = False
    await me.rebalance(4, 0)
    assert me.table.states[0] is not state


@pytest.mark.parametrize("seed", range(30))
async def test_no_history_of_the_group_keeps_stale_state(seed):
    """Whatever generations two members miss and whatever is written, all that is live knows every record that another appended."""
    chance = random.Random(seed)
    log = Log()
    members = [Member(log, who) for who in ("a", "b")]
    seen = 0
    for generation in range(1, 60):
        split = [{n for n in range(3) if chance.random() < 0.5} for _ in members]
        split[1] = set(range(3)) - split[0]  # the group gives each partition to one of them
        for member, owned in zip(members, split, strict=True):
            if chance.random() < 0.3:
                continue  # frozen: misses this generation, and believes what it believed
            if chance.random() < 0.1:
                member.table.poison()
            before = set(map(id, member.table.states.values()))
            await member.rebalance(generation, *owned)
            seen += len(before & {id(s) for s in member.table.live().values()})
            member.recover()
            for number, state in member.table.live().items():
                assert set(log.records[number][state.upto :]) <= {member.writer.who}, (
                    seed,
                    generation,
                    number,
                )
                if chance.random() < 0.6:
                    member.write(number)
    assert seen > 5, "nothing was kept: nothing was tested"


async def test_a_rewind_that_meets_the_next_rebalance_is_made_up_for():
    """A seek that finds no assignment any more is no crash, and the lost block stays marked until a seek goes through."""
    app = faust_app(Settings(topic_prefix="p.", kafka=Kafka()))

    async def ask(*_):
        return {}

    intake = SimpleNamespace(
        missed=True,
        partitions=lambda: [TP(INPUT, 0)],
        start_positions=lambda *_: {TP(INPUT, 0): 5},
        resume=lambda *_: None,
    )
    app.transport.wire(intake, None, None, None, 50, pytest.fail)
    consumer = app.consumer
    consumer._thread.thread_loop.close()  # made by Faust, for a thread that is not started here
    outcome: list[BaseException] = [IllegalStateError("No current assignment")]

    async def seek(*_):
        if outcome:
            raise outcome.pop()

    consumer._thread = SimpleNamespace(committed=ask, earliest_offsets=ask, highwaters=ask, seek_wait=seek)
    await consumer._seek_back()
    assert intake.missed
    await consumer._seek_back()
    assert not intake.missed
