"""The alert state machine, cell by cell and over random histories."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.machine import Code, Level, decide
from alerts.model import Phase, Reason

I, P, F, N = Code.INACTIVE, Code.PENDING, Code.FIRING, Code.NO_DATA  # noqa: E741 - columns of a table
NOW, HOLD = 1000, 100
CELLS = [
    # phase, since, episode, condition, hold -> phase, since, episode, published, reason
    ((I, -1, 0), True, 0, (F, NOW, 1), Phase.FIRING, Reason.CONDITION_MET),
    ((I, -1, 0), True, HOLD, (P, NOW, 0), None, Reason.CONDITION_MET),
    ((I, 5, 2), False, 0, (I, 5, 2), None, Reason.UNCHANGED),
    ((I, 5, 2), None, 0, (I, 5, 2), None, Reason.UNCHANGED),
    ((P, 901, 0), True, HOLD, (P, 901, 0), None, Reason.CONDITION_MET),
    ((P, 900, 0), True, HOLD, (F, NOW, 1), Phase.FIRING, Reason.HOLD_ELAPSED),
    ((P, 900, 3), False, HOLD, (I, NOW, 3), None, Reason.CONDITION_CLEARED),
    ((P, 900, 3), None, HOLD, (I, NOW, 3), None, Reason.CONDITION_CLEARED),
    ((F, 500, 1), True, HOLD, (F, 500, 1), None, Reason.UNCHANGED),
    ((F, 500, 1), False, HOLD, (I, NOW, 1), Phase.RESOLVED, Reason.CONDITION_CLEARED),
    ((F, 500, 1), None, HOLD, (N, NOW, 1), None, Reason.DATA_MISSING),
    ((N, 500, 1), None, HOLD, (N, 500, 1), None, Reason.UNCHANGED),
    ((N, 500, 1), True, HOLD, (F, NOW, 1), None, Reason.DATA_RETURNED),
    ((N, 500, 1), False, HOLD, (I, NOW, 1), Phase.RESOLVED, Reason.CONDITION_CLEARED),
]


@pytest.mark.parametrize(("level", "condition", "hold", "after", "published", "reason"), CELLS)
def test_cell(level, condition, hold, after, published, reason):
    """Each cell of the table in the module: where it goes, what is published, and why."""
    decision = decide(Level(*level), condition, NOW, hold)
    assert (decision.level[:3], decision.publish, decision.reason) == (after, published, reason)


def test_a_band_that_moves_while_it_fires_is_told_again():
    """Each change of band is one more revision of the same episode; the resolve carries the last; a new firing starts at 0."""
    steps = [(True, 1), (True, 1), (True, 2), (None, 0), (True, 1), (False, 3), (True, 1)]
    level, told = Level(), []
    for now, (condition, band) in enumerate(steps):
        level, publish, reason = decide(level, condition, now, 0, band=band)
        if publish:
            told.append((now, publish, level.episode, level.revision, reason))
    assert told == [
        (0, Phase.FIRING, 1, 0, Reason.CONDITION_MET),
        (2, Phase.FIRING, 1, 1, Reason.CHANGED),
        (4, Phase.FIRING, 1, 2, Reason.CHANGED),
        (5, Phase.RESOLVED, 1, 2, Reason.CONDITION_CLEARED),
        (6, Phase.FIRING, 2, 0, Reason.CONDITION_MET),
    ]


@pytest.mark.parametrize(("phase", "condition"), list(itertools.product(Code, [True, False, None])))
def test_end_of_the_account(phase, condition):
    """An account that ends is silent afterwards: what fires is resolved, whatever the condition says, and nothing starts."""
    decision = decide(Level(phase, 500, 1), condition, NOW, 0, ended=True)
    assert decision.level.phase == Code.INACTIVE
    assert decision.publish == (Phase.RESOLVED if phase in (F, N) else None)


@given(conditions=st.lists(st.sampled_from([True, False, None]), max_size=60), hold=st.integers(0, 4))
def test_published_phases_alternate(conditions, hold):
    """Over any history firing and resolved alternate, each firing opens the next episode, and each resolution belongs to the one that fired."""
    level, told = Level(), []
    for now, condition in enumerate(conditions):
        level, publish, _ = decide(level, condition, now, hold)
        if publish:
            told.append((publish, level.episode))
    expected = [(phase, n) for n in range(1, len(told) + 1) for phase in (Phase.FIRING, Phase.RESOLVED)]
    assert told == expected[: len(told)]
