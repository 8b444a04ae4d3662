"""What SIGTERM leaves to the last commit is bounded by what rows take, not only by their number."""

import asyncio
from types import SimpleNamespace

import pytest

from streams.flush import Flush
from streams.intake import MOST_ROWS


@pytest.mark.parametrize(
    ("rows", "seconds", "may_wait"),
    [
        (50_000, 0.5, MOST_ROWS),
        (50_000, 2.0, 50_000),
        (50_000, 4.0, 25_000),
        (999, 4.0, MOST_ROWS),
    ],
)
def test_rows_that_may_wait_can_be_encoded_in_two_seconds(rows, seconds, may_wait):
    """By the last commit that had enough rows to tell; never more than there may be on a fast machine."""
    flush = SimpleNamespace(_intake=SimpleNamespace(most_rows=MOST_ROWS))
    Flush._learn(flush, rows, seconds)
    assert flush._intake.most_rows == may_wait


async def test_nothing_is_published_from_when_the_last_commit_is_asked_for():
    """A commit under way is waited for, publications are not: they would hold it up, and the five seconds pass."""
    under_way, published = asyncio.Event(), []
    flush = Flush(
        SimpleNamespace(poisoned_since=None), None, SimpleNamespace(outbox=lambda: None), inputs=[], outputs=None,
        deadline=1.0, clock=lambda: 0, settled=lambda: True, commit_offsets=None, rejoin=None, fail=None,
    )  # fmt: skip

    async def commit(cut):
        await under_way.wait()

    async def publish(cut):
        published.append(cut)

    flush._commit, flush._publish_scores = commit, publish
    usual = asyncio.create_task(flush.commit())
    assert await flush.publish_scores(), "beside a usual commit"
    last = asyncio.create_task(flush.commit(last=True))
    await asyncio.sleep(0)
    assert not await flush.publish_scores()
    under_way.set()
    assert await usual
    assert await last
    assert await flush.publish_scores(), "a revocation may leave partitions with us"
    assert len(published) == 2
