"""What happens to the accounts of a partition once they are read back, before any event is folded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from scoring.bands import remember
from scoring.evaluate import Scorer
from scoring.layout import ENDED
from scoring.rescore import Cause, rescore
from scoring.state import LOOK, Store
from scoring.times import UNSET
from streams.folding import Folding
from streams.partition_context import Context
from streams.publication import worth_telling
from streams.ticker import Ticker

_AT_ONCE: Final = 2048


def take_over(
    store: Store, context: Context, folding: Folding, ticker: Ticker, hour: int, clock_ms: int
) -> Iterator[int]:
    """Score who is behind, index what waits, and tell again which alerts fire: in slices, as that may be much.

    Args:
        store: the accounts as the changelog had them.
        context: of the partition.
        folding: gets the events that are held, and the alerts.
        ticker: gets the bands on hold.
        hour: the newest that everybody had been evaluated at, or UNSET.
        clock_ms: the last tick as it was committed, or UNSET.

    Yields:
        The tick that scores stand at, after each slice; UNSET as long as some do not.
    """
    for _ in _stand_at(store, context.scorer, hour):
        yield UNSET
    folding.index_held()
    ticker.index_due()
    newest = int(store.hot["tick"][: store.n].max(initial=UNSET))
    # Ticks behind the commit ran for those whose rows were written, and will run again for all others.
    as_of = min(newest, max(clock_ms, hour))
    yield as_of
    for alerts in context.alerts.takeover(store, max(clock_ms, newest)):
        folding.tell(alerts)
        store.shrink()
        yield as_of


def _stand_at(store: Store, scorer: Scorer, hour: int) -> Iterator[None]:
    """Score whoever was scored last at `hour`, when everybody was, but not written again.

    A row is written when more than the clock moved it (`run_tick`): what is missing follows from the row and the hour.
    """
    hot = store.hot[: store.n]
    behind = (hot["tick"] != UNSET) & (hot["passed"] < hour) & (hot["flags"] & ENDED == 0)
    waiting = np.flatnonzero(behind)
    for start in range(0, len(waiting), _AT_ONCE):
        rows = waiting[start : start + _AT_ONCE]
        f, e = rescore(store, rows, scorer, hour, Cause.CLOCK)
        remember(store, rows, f, e)
        store.mark[rows[worth_telling(f, e, f.hot["band"])]] |= LOOK
        store.hot["tick"][rows] = store.hot["passed"][rows] = hour
        yield
