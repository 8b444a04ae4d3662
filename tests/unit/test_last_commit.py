"""The last commit before partitions are given up."""

import asyncio
from types import SimpleNamespace

from streams.flush import Flush


async def test_nothing_is_published_from_when_the_last_commit_is_asked_for():
    """A commit under way is waited for, publications are not: they would hold it up, and the five seconds pass."""
    under_way, published, table = asyncio.Event(), [], SimpleNamespace(poisoned_since=None, crowded=False)
    flush = Flush(
        table, None, SimpleNamespace(outbox=lambda: None), inputs=[], outputs=None,
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
    table.crowded = True
    assert not await flush.publish_scores(), (
        "each score makes a row, and the last commit has to write them all"
    )
