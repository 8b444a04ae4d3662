"""The product's worker with an observer inside: it can be stopped at chosen points, and shows what it holds.

Everything goes through the folder FAULT_DIRECTORY:

    pause.<point>.<pid>   made by the test: at this point the process stops itself (SIGSTOP), once
    journal.ndjson        appended by every worker: pauses, generations, refused writes
    live.<pid>.json       all rows of the live partitions, written at SIGUSR1
    metrics.<pid>.txt     the last metrics, written when the worker ends by itself

FAULT_PAUSE names points that are armed from the start, FAULT_CLOCK is added to the wall clock (seconds), FAULT_BUG
names a bug that is planted so that a test can see it found, FAULT_RELEASE makes it write the rows of a newer release.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DIRECTORY = Path(os.environ["FAULT_DIRECTORY"])
ARMED = set(os.environ.get("FAULT_PAUSE", "").split())
OFFSET_FETCH = 9
TERM_BYTES = 300
"""A batch that is longer holds more than the record that opens a term."""


def shift_clock(seconds: float) -> None:
    """Let the wall clock of this process go wrong; before anything took a reference to it."""
    real, real_ns = time.time, time.time_ns
    time.time = lambda: real() + seconds
    time.time_ns = lambda: real_ns() + int(seconds * 1e9)


shift_clock(float(os.environ.get("FAULT_CLOCK", "0")))

from aiokafka.client import AIOKafkaClient  # noqa: E402 - the clock comes first
from prometheus_client import generate_latest  # noqa: E402
from pytest import MonkeyPatch  # noqa: E402, PT013 - pytest itself is of no use here

from streams import worker as role  # noqa: E402
from streams.app import Worker, create_worker  # noqa: E402
from streams.fence import FencedWriter  # noqa: E402
from streams.flush import Flush  # noqa: E402
from streams.outbox import FencedError, Outbox  # noqa: E402
from streams.pipeline import Partition  # noqa: E402
from streams.settings import Settings  # noqa: E402
from streams.table import StateTable  # noqa: E402
from tests.oracle.columns import accounts  # noqa: E402
from tests.plumbing import newer_release  # noqa: E402
from tests.simulation.bugs import no_offset_fence  # noqa: E402

PLANTED = contextlib.ExitStack()


def note(event: str, **fields: Any) -> None:
    """One line of the journal; short enough for appends of several processes not to mix."""
    line = json.dumps({"at": time.monotonic(), "pid": os.getpid(), "event": event, **fields})
    with (DIRECTORY / "journal.ndjson").open("a") as journal:
        journal.write(line + "\n")


def pause(point: str, **fields: Any) -> None:
    """Stop here if somebody asked for it; goes on at SIGCONT."""
    flag = DIRECTORY / f"pause.{point}.{os.getpid()}"
    if point in ARMED or flag.exists():
        ARMED.discard(point)
        flag.unlink(missing_ok=True)
        note("pause", point=point, **fields)
        os.kill(os.getpid(), signal.SIGSTOP)


def holds(outbox: Outbox, topic: str) -> bool:
    """Whether there is something to write to a topic beside term records."""
    return any(
        tp.topic.endswith(topic) and any(len(batch.data) > TERM_BYTES for batch in batches)
        for tp, batches in outbox.batches.items()
    )


def records(outbox: Outbox, topic: str) -> int:
    """How many records there are to write to a topic."""
    return sum(
        batch.records
        for tp, batches in outbox.batches.items()
        if tp.topic.endswith(topic)
        for batch in batches
    )


def observe_writes() -> None:
    """Points `scores` and `rows` (encoded, not sent), `written` and, if it has offsets to commit, `acknowledged`: rows sent."""
    write, renew = FencedWriter.write, Flush._renew

    async def observed(self: FencedWriter, outbox: Outbox) -> Any:
        outbox.close()
        rows = holds(outbox, "state")
        if rows or holds(outbox, "scores"):
            pause("rows" if rows else "scores", records=records(outbox, "state"))
        try:
            return await write(self, outbox)
        except FencedError as error:
            note("fenced", topics=sorted({tp.topic for tp in outbox.batches}), error=str(error))
            raise

    async def renewing(self: Flush, cut: Any) -> None:
        pause("written")
        if any(self._committed.get(tp) != each.offset for tp, each in cut.offsets.items()):
            pause("acknowledged")
        await renew(self, cut)

    FencedWriter.write = observed  # type: ignore[method-assign]
    Flush._renew = renewing  # type: ignore[method-assign]


def observe_errors() -> None:
    """Every error code that a broker answers with."""
    send = AIOKafkaClient.send

    async def sending(self: AIOKafkaClient, node: Any, request: Any, **options: Any) -> Any:
        answer = await send(self, node, request, **options)
        for code in set(error_codes(answer)):
            note("error", api=answer.API_KEY, code=code)
        return answer

    AIOKafkaClient.send = sending


def error_codes(answer: Any) -> Iterator[int]:
    """Codes of the answer as a whole and of its partitions, which stand second in each."""
    code = getattr(answer, "error_code", 0)
    if code:
        yield code
    for topic in getattr(answer, "topics", ()):
        if isinstance(topic, tuple) and len(topic) > 1 and isinstance(topic[1], list):
            place = 3 if answer.API_KEY == OFFSET_FETCH else 1
            yield from (each[place] for each in topic[1] if each[place])


def observe_ownership() -> None:
    """Points `acquire` (assigned, not taken over), `taken` (nothing restored yet), `restore` (half restored)."""
    acquire, apply, rebalance = (
        FencedWriter.acquire,
        StateTable.apply_changelog_batch,
        StateTable.on_rebalance,
    )

    async def acquiring(self: FencedWriter, tps: Any) -> Any:
        if tps:
            pause("acquire")
        terms = await acquire(self, tps)
        if tps:
            pause("taken")
        return terms

    def applying(self: StateTable, batch: Any) -> None:
        before = self.rows_restored
        apply(self, batch)
        if self.rows_restored > before:
            pause("restore")

    async def rebalancing(self: StateTable, *args: Any) -> None:
        await rebalance(self, *args)
        note("generation", generation=self.generation, owned=sorted(self.states), fresh=sorted(self.fresh))

    FencedWriter.acquire = acquiring  # type: ignore[method-assign]
    StateTable.apply_changelog_batch = applying  # type: ignore[method-assign]
    StateTable.on_rebalance = rebalancing  # type: ignore[method-assign]


def observe_folding() -> None:
    """Point `folding`: some chunks of a batch are folded, others not."""
    advance = Partition.advance

    def advancing(self: Partition, *args: Any) -> Iterator[None]:
        for _ in advance(self, *args):
            yield
            pause("folding", partition=self.number)

    Partition.advance = advancing  # type: ignore[method-assign]


def plant(bug: str) -> None:
    """Let the worker make a known mistake."""
    if bug == "no_offset_fence":
        PLANTED.enter_context(no_offset_fence())
    elif bug == "no_epoch_fence":
        new_terms = FencedWriter._new_terms
        FencedWriter._expect_alone = lambda *_: None  # type: ignore[method-assign]

        def nobody(self: FencedWriter, *args: Any) -> Any:
            terms = new_terms(self, *args)
            for term in terms.values():
                term.producer_id = term.epoch = -1  # the broker checks no epoch of a producer without an id
            return terms

        FencedWriter._new_terms = nobody  # type: ignore[method-assign]


def show_live(worker: Worker) -> None:
    """Write down all rows of the live partitions."""
    partitions = {
        number: {"day": state.store.day, "accounts": accounts(state)}
        for number, state in worker.table.live().items()
        if isinstance(state, Partition)
    }
    path = DIRECTORY / f"live.{os.getpid()}.json"
    path.with_suffix(".new").write_text(json.dumps(partitions), "utf-8")
    path.with_suffix(".new").replace(path)


def main() -> int:
    """Run the product's worker until its end."""
    made: list[Worker] = []

    def create(settings: Settings) -> Worker:
        worker = create_worker(settings)
        made.append(worker)
        loop = asyncio.get_running_loop()
        # not the loop's own way: the role takes the descriptor that it would be woken up by
        signal.signal(signal.SIGUSR1, lambda *_: loop.call_soon_threadsafe(show_live, worker))
        return worker

    observe_writes()
    observe_ownership()
    observe_folding()
    observe_errors()
    plant(os.environ.get("FAULT_BUG", ""))
    if os.environ.get("FAULT_RELEASE") == "newer":
        newer_release.install(MonkeyPatch())
    code = role.run(Settings(), create)
    for worker in made:
        (DIRECTORY / f"metrics.{os.getpid()}.txt").write_bytes(generate_latest(worker.registry))
    return code


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)
