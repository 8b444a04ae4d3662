"""Folding while a tick is under way: nobody can tell afterwards."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.model import decode_alert
from scoring.events import SOURCES
from scoring.times import HOUR, parse
from streams.pipeline import Partition
from streams.replay import SOURCE_OF
from tests.property.feeds import ALL_IDLE, context, folded, record, settle
from tests.property.strategies import END, living

TOLD_BY_PUBLICATION = frozenset({"pad", "marks", "version", "event_part"})


def alerts(partition: Partition) -> list[tuple[object, ...]]:
    """What was told, but for what is shown along with it: facts show an account in the middle of folding, source by source."""
    told = [decode_alert(value) for _, value in partition.drain_alerts()]
    return sorted((a.account_id, a.rule, a.episode, a.revision, a.phase, a.at, a.tick, a.band) for a in told)


@settings(max_examples=15, deadline=None)
@given(events=st.lists(living, min_size=2, max_size=40), random=st.randoms(use_true_random=False))
def test_state_and_alerts_are_the_same(events, random):
    """Whatever is fed between whichever slices, rows, tick lines and alerts are those of a feed in time order."""
    events = sorted(events, key=lambda e: parse(e["ts"]))
    expected_lines, lines = [], []
    expected = Partition(0, context(tick=6 * HOUR, tick_log=expected_lines.extend))
    partition = Partition(0, context(tick=6 * HOUR, tick_log=lines.extend))
    offsets = dict.fromkeys(range(len(SOURCES)), 0)
    steps = iter(())
    with patch("streams.ticking._SLICE", 1):
        for told in events:
            source = SOURCE_OF[told["type"]]
            one = [record(offsets[source], told)]
            offsets[source] += 1
            expected.feed(source, one)
            partition.feed(source, one)
            settle(expected, parse(told["ts"]))
            if random.random() < 0.3:
                list(steps)
                steps = partition.advance(parse(told["ts"]), ALL_IDLE)
            for _ in range(random.randrange(4)):
                next(steps, None)
                partition.fold_meanwhile()
        list(steps)
    for each in (expected, partition):
        settle(each, END + 6 * HOUR)
    assert folded(partition.store, without=TOLD_BY_PUBLICATION) == folded(
        expected.store, without=TOLD_BY_PUBLICATION
    )
    assert sorted(map(str, lines)) == sorted(map(str, expected_lines))
    assert alerts(partition) == alerts(expected)
