"""Who owns which partition, and its state: the Faust table behind the changelog topic `state`.

Faust brings the assignment and the recovery of a changelog; the state itself lives in one `Partition` object
per partition number. The rules, each of which cost events until it was obeyed:

- Ownership is what the assignor calls active, and every owned output is fenced before recovery looks for
  its end.
- A partition is *fresh* until its changelog has been read up to our own term record. Only fresh partitions
  are restored into, so rows of our own never replace newer live state, and only others are fed and flushed.
- A member that missed a generation of the group does not know whether somebody else owned its partitions
  meanwhile. It takes them over once more: if its own last row is the last record before the new term, nobody did, as
  whoever takes a partition over appends to it first of all; the state stands. Otherwise it is dropped and recovered.
- A member that was fenced drops all state: what it encoded last may be in the log, or not.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from typing import Any, Final, Protocol, cast

import faust
import structlog
from faust.tables import TableManager
from faust.types import TP, EventT, TopicT

from streams.clock_metadata import changelog_end
from streams.fence import FencedWriter, StateLostError, lost_rows
from streams.fetch import RecordBlock
from streams.own_records import CLOCK_KEY, is_own
from streams.records import Records
from streams.unplaced import Unplaced

Fail = Callable[[BaseException], None]
"""Reports an error that must end the worker; the first one wins."""
_MOST_ROWS: Final = 100_000
"""More must not wait: what SIGTERM leaves to the last commit has to fit into five seconds."""

log = structlog.get_logger(__name__)


class Partition(Protocol):
    """What the transport needs of the scoring of one partition number, over all sources."""

    def restore(self, rows: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Changelog rows, those of a key in log order, and the hours told by `CLOCK_KEY`; None is a tombstone."""

    def seen(self, source: int) -> int:
        """The greatest offset of a source in the fences of the restored rows; -1 if there is none."""

    def resume(self, source: int, metadata: str) -> None:
        """The metadata committed with the offset of a source, empty if there was none; raises if it cannot be read."""

    def takeover(self) -> None:
        """Recovery is over; called once, before the first feed."""

    def feed(self, source: int, records: Records) -> None:
        """Records of a source, in log order without gaps; decoded and queued."""

    def queued(self, source: int) -> int:
        """Records that wait for the stream clock."""

    def slowest(self, now_ms: int, idle: Set[int]) -> Set[int]:
        """The sources that the others wait for."""

    def advance(self, now_ms: int, idle: Set[int]) -> Iterator[None]:
        """Fold and tick what may be; yields between slices of less than 10 ms."""

    def fold_meanwhile(self) -> bool:
        """Fold what follows a tick that `advance` is at; whether that was done, or else is up to `advance`."""

    @property
    def held_back(self) -> bool:
        """Whether it cannot go on before the next commit."""

    @property
    def pending(self) -> bool:
        """Whether there is anything to write."""

    @property
    def rows_pending(self) -> int:
        """How many rows are among it."""

    @property
    def alerts_pending(self) -> bool:
        """Whether alerts are among it."""

    @property
    def scores_pending(self) -> bool:
        """Whether there are scores to publish."""

    def positions(self) -> dict[int, tuple[int, str]]:
        """Per source with something taken since the start: next offset to commit, and its metadata."""

    def score_blocks(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """Score records in blocks; a block given is taken for published."""

    def row_blocks(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """Changed rows in blocks; a block given is taken for written."""

    def drain_alerts(self) -> list[tuple[bytes, bytes]]:
        """Alert records queued since the last call."""

    def drain_dead_letters(self) -> list[tuple[bytes | None, bytes]]:
        """Dead letters queued since the last call."""

    def bands(self) -> Counter[tuple[str, str]]:
        """Accounts by (band, tier)."""

    @property
    def clock_ms(self) -> int:
        """The last tick, milliseconds UTC; negative before the first."""

    @property
    def accounts(self) -> int:
        """Accounts known."""


class BlockSchema(faust.Schema[Any, Any]):
    """Leaves the value of a message, a list of record blocks, as it is."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ANN401 - Faust's signature
        """The key, untouched."""
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ANN401
        """The blocks, untouched."""
        return message.value


class Tables(TableManager):
    """Faust's tables of an app that declared all of them before it was started."""

    async def on_start(self) -> None:
        """Begin at once; Faust waits a second for tables that might still be declared."""
        await self._update_channels()
        await self.recovery.start()


class StateTable(faust.Table[bytes, bytes]):
    """The changelog topic, the partitions this worker owns, and their recovery."""

    logger = logging.getLogger("faust.worker")  # or its life cycle is logged as ours

    def __init__(
        self, app: faust.App, *, topic: str, inputs: Sequence[str],
        make: Callable[[int], Partition], writer: FencedWriter, fail: Fail,
    ) -> None:  # fmt: skip
        """Full topic names; `make` builds the empty state of a partition number."""
        self._topic = topic
        self._inputs = inputs
        self._make = make
        self._writer = writer
        self._fail = fail
        self._position: dict[int, int] = {}
        self._term: dict[int, int] = {}
        self.states: dict[int, Partition] = {}
        self.fresh: set[int] = set()
        self._doubtful: set[int] = set()
        """Live before a generation was missed; being taken over once more."""
        self.generation: int | None = None
        self.poisoned_since: float | None = None
        self.progress_at = time.monotonic()
        self.live_at = 0.0
        """Monotonic time of the last takeover."""
        self.rows_restored = 0
        """Rows read from the changelog, also those that a newer one replaced before they were put back."""
        self._unplaced = Unplaced(lambda number, rows: self.states[number].restore(rows))
        # 1 makes Faust read own rows back after recovery; the default of 1000 would count whole batches
        super().__init__(app, name="state", key_type=bytes, value_type=bytes, recovery_buffer_size=2)

    def live(self) -> dict[int, Partition]:
        """Partitions that are recovered: they may be fed and flushed."""
        return {n: each for n, each in self.states.items() if n not in self.fresh | self._doubtful}

    @property
    def crowded(self) -> bool:
        """Whether so many rows wait that nothing may be done that makes more of them."""
        return sum(state.rows_pending for state in self.live().values()) > _MOST_ROWS

    def recovered(self, number: int) -> bool:
        """Whether the changelog was read to the end, that is, up to the record with which we took it over."""
        term = self._term.get(number)
        return term is not None and self._position.get(number, -1) >= term

    def logged(self, number: int) -> int:
        """Where the changelog ended when something of it was acknowledged, or read back, last."""
        return self._position.get(number, -1) + 1

    def expect_logged(self, number: int, metadata: str) -> None:
        """Raises StateLostError if the changelog, when we took the partition over, had lost what a commit tells of."""
        end = changelog_end(metadata)
        if self._term.get(number, end) < end:
            raise StateLostError(lost_rows(self._topic, number, self._term[number], end))

    def go_live(self, number: int) -> None:
        """Recovery of a partition is over."""
        self.states[number].takeover()
        self.fresh.discard(number)
        self.live_at = self.progress_at = time.monotonic()

    def poison(self) -> None:
        """State and log disagree, as a write was fenced: nothing is written until the next assignment."""
        if self.poisoned_since is None:
            self.poisoned_since = time.monotonic()

    def written(self, offsets: dict[TP, int]) -> None:
        """Rows up to these offsets are ours: they need not be read back."""
        for tp, offset in offsets.items():
            if tp.topic == self._topic:
                self._position[tp.partition] = offset

    def persisted_offset(self, tp: TP) -> int | None:
        """Where recovery goes on: the last changelog offset that the state contains."""
        return self._position.get(tp.partition)

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Drop what was lost, take over what is new; Faust starts the recovery afterwards."""
        # rows read in the old generation, before any of its partitions is dropped
        cast("Any", self.app.tables).recovery.flush_buffers()
        owned = {tp.partition for tp in self.app.assignor.assigned_actives() if tp.topic == self._topic}
        self._check_copartitioned(owned, assigned)
        lost, self._doubtful = self._lost(owned, generation_id)
        for number in lost:
            self._drop(number)
            self._writer.release([number])
        self.generation, self.poisoned_since, self.progress_at = generation_id, None, time.monotonic()
        await self._take_over(owned - self._writer.owned | self._doubtful)
        for number in owned - self.states.keys():
            self.states[number] = self._make(number)
            self.fresh.add(number)
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)

    def _check_copartitioned(self, owned: Iterable[int], assigned: set[TP]) -> None:
        # inputs without their changelog: it was deleted; what they brought would wait, ready, for nobody
        told = {tp.partition for tp in assigned if tp.topic in self._inputs}
        whole = [TP(topic, n) for n in told.union(owned) for topic in [*self._inputs, self._topic]]
        active = {tp for tp in assigned if tp.topic != self._topic} | {TP(self._topic, n) for n in owned}
        if missing := sorted(set(whole) - active):
            raise RuntimeError(
                f"partitions of one number went to different workers, or not to any: {missing} missing"
            )

    def _lost(self, owned: set[int], generation: int) -> tuple[set[int], set[int]]:
        """What is lost for certain, and what may have had another owner since it was last known to be ours."""
        if self.poisoned_since is not None:
            return set(self.states), set()
        lost = self.states.keys() - owned
        if self.generation is None or generation == self.generation + 1:
            return lost, self._doubtful & owned
        return lost | self.fresh, (owned & self.states.keys()) - self.fresh

    def _drop(self, number: int) -> None:
        del self.states[number]
        self._unplaced.drop(number)
        self.fresh.discard(number)
        self._position.pop(number, None)
        self._term.pop(number, None)
        cast("Any", self.app.tables).recovery.revoke(TP(self._topic, number))

    async def _take_over(self, numbers: Iterable[int]) -> None:
        terms = await self._writer.acquire(sorted(numbers))
        offsets = {tp.partition: offset for tp, offset in terms.items() if tp.topic == self._topic}
        for number in self._doubtful:
            if offsets[number] == self._position.get(number, offsets[number]) + 1:
                self._position[number] = offsets[number]
                log.info("state kept, as nobody else owned it meanwhile", partition=number)
            else:
                self._drop(number)
        self._doubtful = set()
        self._term |= offsets

    def apply_changelog_batch(self, batch: Iterable[EventT[Any]]) -> None:
        """Restore rows of fresh partitions. Faust only logs what is raised here, hence `fail`."""
        try:
            for event in batch:
                for block in cast("Any", event).message.value:
                    self._restore(block)
        except Exception as error:  # noqa: BLE001 - a row that cannot be restored must not be skipped
            self._fail(error)

    def _restore(self, block: RecordBlock) -> None:
        number = block.tp.partition
        if number not in self.fresh:
            return
        position = self._position.get(number)
        if position is not None and block.begin > position + 1:
            raise RuntimeError(
                f"recovery of {block.tp} lost the rows from {position + 1} to {block.begin - 1}"
            )
        told = zip(block.records.keys, block.records.values, strict=True)
        named = [(key, value) for key, value in told if key is not None]
        kept = [(key, value) for key, value in named if key == CLOCK_KEY or not is_own(key)]
        self._unplaced.add(number, kept)
        self._position[number] = block.end - 1
        if self.recovered(number):
            self._unplaced.place(number)
        self.rows_restored += len(kept)
        self.progress_at = time.monotonic()

    def _changelog_topic_name(self) -> str:
        return self._topic

    def _new_changelog_topic(self, **_: Any) -> TopicT:  # noqa: ANN401 - Faust's signature
        # `derive_topic` would drop acks
        return self.app.topic(
            self._topic, schema=BlockSchema(), key_type=bytes, value_type=bytes,
            acks=False, internal=True, allow_empty=True,
        )  # fmt: skip
