"""Rings with narrow and wide rows hold what one plain matrix of the widest type would."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.layout import MATRICES, MOST_COUNTED, NARROW, RINGS
from scoring.rings import Rings, begun

ACCOUNTS = 12
COUNTING = ("counts", "touches")


class Plain:
    """The same in one matrix, cell by cell."""

    def __init__(self, matrix: str) -> None:
        self.cells = np.zeros((ACCOUNTS, MATRICES[matrix][0]), np.int64)
        self.own = [ring for ring in RINGS.values() if ring.matrix == matrix]

    def add(self, rows: Any, columns: Any, amounts: Any) -> None:
        for row, column, amount in zip(rows.tolist(), columns.tolist(), amounts.tolist(), strict=True):
            self.cells[row, column] += amount

    def count(self, row: int, column: int, amount: int) -> None:
        self.cells[row, column] = max(0, min(int(self.cells[row, column]) + amount, MOST_COUNTED))

    def roll(self, day: int, today: int) -> None:
        for ring in self.own:
            for bucket in begun(day // ring.days, today // ring.days, ring.size):
                self.cells[:, ring.offset + bucket % ring.size] = 0


def step(rings: Rings, plain: Plain, matrix: str, random: np.random.Generator) -> None:
    """One operation on both."""
    most = int(np.iinfo(NARROW[matrix]).max)
    width, n = MATRICES[matrix][0], int(random.integers(1, 8))
    rows, columns = random.integers(0, ACCOUNTS, n), random.integers(0, min(width, 5), n)
    kind = random.choice(["add", "put", "clear", "roll", "grow"])
    if kind == "add" and matrix in COUNTING:
        rings.count_all(rows, columns, MOST_COUNTED)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            plain.count(row, column, 1)
        amount = int(random.integers(-most, most + 2))
        rings.count(int(rows[0]), int(columns[0]), amount, MOST_COUNTED)
        plain.count(int(rows[0]), int(columns[0]), amount)
    elif kind == "add":
        amounts = random.integers(0, most // int(random.choice([1, 2, 1000])), n)
        rings.add(rows, columns, amounts)
        plain.add(rows, columns, amounts)
    elif kind == "put":
        some = np.unique(rows)
        values = random.integers(0, most + 2, (len(some), width)) * (random.random((len(some), width)) < 0.1)
        values = values.astype(rings.narrowest(int(values.max())))
        rings.put(some, values)
        plain.cells[some] = values
    elif kind == "clear":
        rings.clear(int(rows[0]))
        plain.cells[rows[0]] = 0
    elif kind == "roll":
        day, days = int(random.integers(20_000, 20_400)), int(random.integers(0, 3))
        rings.roll(ACCOUNTS, day, day + days)
        plain.roll(day, day + days)
    else:
        rings.grow(int(random.integers(ACCOUNTS, 40)), ACCOUNTS)


@pytest.mark.parametrize("matrix", MATRICES)
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(1, 40))
def test_wide_rows_change_nothing(matrix, seed, steps):
    """Whatever is added, counted, put back, cleared and rolled, one account and several read what a plain matrix says."""
    rings, plain, random = Rings(matrix, ACCOUNTS), Plain(matrix), np.random.default_rng(seed)
    for _ in range(steps):
        step(rings, plain, matrix, random)
        assert (rings[:ACCOUNTS] == plain.cells).all()
    some = random.permutation(ACCOUNTS)[: int(random.integers(0, ACCOUNTS))]
    assert (rings[some] == plain.cells[some]).all()
    assert (rings[3:9] == plain.cells[3:9]).all()
    for row in range(ACCOUNTS):
        assert (rings[row] == plain.cells[row]).all()
    most = int(np.iinfo(NARROW[matrix]).max)
    assert rings.wide_rows >= int((plain.cells > most).any(axis=1).sum())


@pytest.mark.parametrize("matrix", ["counts", "usage"])
def test_only_who_needs_it_gets_a_wide_row(matrix):
    """An account whose bucket outgrows the narrow type gets a wide row, by events and by a row put back; its neighbours do not."""
    most = int(np.iinfo(NARROW[matrix]).max)
    rings, rows = Rings(matrix, ACCOUNTS), np.arange(ACCOUNTS)
    first = np.zeros(ACCOUNTS, np.int64)
    if matrix in COUNTING:
        for number in range(most + 1):
            some = rows[:4] if number < most else rows[:2]
            rings.count_all(some, first[some], MOST_COUNTED)
    else:
        rings.add(rows, first, np.where(rows < 2, most, 1))
        assert rings.wide_rows == 0
        rings.add(rows, first, np.ones(ACCOUNTS, np.int64))
    assert rings.wide_rows == 2
    values = np.zeros((2, MATRICES[matrix][0]), np.int64)
    values[0, 0] = most + 1
    rings.put(np.array([7, 8]), values)
    assert rings.wide_rows == 3
