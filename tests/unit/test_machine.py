"""The alert state machine, cell by cell and over random histories."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.machine import Code, Level, decide
from alerts.model import Phase, Reason

I, P, F, N = Code.INACTIVE, Code.PENDING, Code.FIRING, Code.NO_DATA  # noqa: E741 - cells of a table
NOW, HOLD, BAND = 1000, 100, 1
STATED = """
            | held  | not held | other band | false | unknown | ended
inactive    | F!    | P        | F!         | I     | I       | I
pending     | F!    | P        | F!         | I     | I       | I
firing      | F     |          | F!         | I!    | N       | I!
no_data     | F     |          | F!         | I!    | N       | I!
"""
"""Section 8 of docs/semantics.md as a table: the next phase by the first letter, `!` where it is told. In the columns the
condition holds and held for long enough, not yet, or long enough with another band than was told; is false; cannot be told."""


def stated() -> dict[tuple[Code, str], str]:
    head, *rows = (line.split("|") for line in STATED.strip("\n").splitlines())
    columns = [name.strip() for name in head[1:]]
    return {
        (Code[name.strip().upper()], column): cell.strip()
        for name, *cells in rows
        for column, cell in zip(columns, cells, strict=True)
    }


def column(phase, condition, band, hold, held, ended) -> str:
    """The heading that a case falls under; a hold counts from the moment at which the condition begins to hold."""
    if ended or not condition:
        return "ended" if ended else "false" if condition is False else "unknown"
    if phase in (I, P) and (held if phase == P else 0) < hold:
        return "not held"
    return "held" if band == BAND else "other band"


@pytest.mark.parametrize("phase", Code)
@pytest.mark.parametrize("condition", [True, False, None])
@pytest.mark.parametrize("ended", [False, True])
def test_every_cell(phase, condition, ended):
    """From every phase, whatever the condition, hold, band and end: where it goes and whether it is told are as stated."""
    for band, hold, held in itertools.product((BAND, BAND + 1), (0, HOLD), (0, HOLD - 1, HOLD)):
        since = NOW - held
        before = Level(phase, since, 3, 2, BAND, since)
        after, publish, reason = decide(before, condition, NOW, hold, band=band, ended=ended)
        assert (
            after.phase.name[0] + "!" * bool(publish)
            == stated()[phase, column(phase, condition, band, hold, held, ended)]
        )
        assert publish in (None, Phase.FIRING if after.phase == F else Phase.RESOLVED)
        assert after.since == (since if after.phase == phase else NOW)
        assert after.episode == (4 if phase in (I, P) and publish else 3)
        assert reason is reason_of(phase, after.phase, hold=hold, publish=publish, ended=ended)
        assert reason is not Reason.UNCHANGED or after == before


def reason_of(phase, after, *, hold, publish, ended) -> Reason:
    """Why a step was taken, by where it led."""
    if (phase, after) in {(I, I), (N, N)} or (phase == after == F and not publish):
        return Reason.UNCHANGED
    if phase in (F, N) and after == F:
        return Reason.CHANGED if publish else Reason.DATA_RETURNED
    if after == I:
        return Reason.ACCOUNT_ENDED if ended and publish else Reason.CONDITION_CLEARED
    if after == N:
        return Reason.DATA_MISSING
    return Reason.HOLD_ELAPSED if after == F and hold else Reason.CONDITION_MET


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
