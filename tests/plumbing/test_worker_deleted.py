"""Records that the broker deletes before anybody read them: nobody can bring them back, but they are told of, and hold up nothing."""

import asyncio
import signal

from tests.plumbing.counting_partition import Row, decode_row
from tests.plumbing.counting_run import Run, counting_run
from tests.plumbing.worker_group import Child, until


async def row(run: Run) -> Row:
    return [decode_row(r.value) for r in (await run.read("state"))[0] if r.key == b"k0"][-1]


def sample(child: Child, name: str) -> float:
    lines = child.get("/metrics")[1].splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"accountpulse_{name}{{"))


def deleted(child: Child) -> float:
    return sample(child, "deleted_unread_records_total")


async def test_deleted_while_no_worker_ran(kafka, topic_prefix, tmp_path):
    """A worker that comes back too late reads on where the log begins, counts what it missed, and is exact about the rest."""
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        first = run.start()
        await run.ready(first)
        await run.produce_text([b"5"] * 10)
        await run.finished()
        assert deleted(first) == 0
        assert await run.stop(first) == 0
        await run.produce_text([b"7"] * 100)
        await run.delete_before("usage", 0, 70)
        second = run.start()
        await run.ready(second)
        await run.finished()
        assert (deleted(second), sample(second, "consumer_lag_events")) == (60, 0)
        assert await run.stop(second) == 0
        assert ((await row(run)).count, (await row(run)).total) == (10 + 40, 10 * 5 + 40 * 7)
        assert "records were deleted before they were read" in second.log.read_text()


async def test_deleted_under_a_worker_that_stood_still(kafka, topic_prefix, tmp_path):
    """All that a frozen worker had to read is deleted: it notices without a new record, its clock goes on, and what comes then counts."""
    async with counting_run(kafka.bootstrap, topic_prefix, tmp_path) as run:
        worker = run.start()
        await run.ready(worker)
        await run.produce_text([b"5"] * 10)
        await run.finished()
        worker.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(1)  # the fetch under way is answered: nothing
        await run.produce_text([b"7"] * 50)
        await run.delete_before("usage", 0, 60)
        worker.process.send_signal(signal.SIGCONT)
        await until(
            lambda: (deleted(worker), sample(worker, "consumer_lag_events")) == (50, 0),
            20,
            lambda: worker.get("/metrics")[1],
        )
        await run.produce_text([b"3"] * 10)
        await run.finished()
        assert deleted(worker) == 50
        assert await run.stop(worker) == 0
        assert ((await row(run)).count, (await row(run)).total) == (20, 10 * 5 + 10 * 3)
