"""Integer maps against exact arithmetic."""

import itertools
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.curves import curve, distinct, half_life

points = st.lists(
    st.tuples(st.integers(-(10**6), 10**6), st.integers(0, 100_000)),
    min_size=2,
    max_size=8,
    unique_by=lambda p: p[0],
).map(sorted)


def exact(x: int, told: list[tuple[int, int]]) -> int:
    if x <= told[0][0]:
        return told[0][1]
    for (x0, y0), (x1, y1) in itertools.pairwise(told):
        if x < x1:
            return floor(Fraction(y0) + Fraction((x - x0) * (y1 - y0), x1 - x0))
    return told[-1][1]


@given(told=points, xs=st.lists(st.integers(-(10**13), 10**13) | st.integers(-(10**6), 10**6), min_size=1))
def test_curve(told, xs):
    """A curve is exact rational interpolation rounded down, clamped at both ends."""
    xs += [x for x, _ in told]
    assert curve(np.array(xs), told).tolist() == [exact(x, told) for x in xs]


@given(hours=st.integers(0, 4000), days=st.integers(1, 365))
def test_half_life(hours, days):
    """The table of half-lives is 2^(-h/H) to the millionth, rounded half to even, and constant beyond 3,200 hours."""
    with localcontext() as c:
        c.prec = 40
        value = Decimal(2) ** (Decimal(-min(hours, 3200)) / Decimal(24 * days))
        expected = int((value * 1_000_000).quantize(Decimal(1), ROUND_HALF_EVEN))
    assert half_life(np.array([hours]), 24 * days).tolist() == [expected]


def test_half_of_a_half_life():
    """After one half-life half is left, after two a quarter; an answer from the future counts as fresh."""
    assert half_life(np.array([-5, 0, 720, 1440]), 720).tolist() == [1_000_000, 1_000_000, 500_000, 250_000]


@pytest.mark.parametrize("bits", [64, 256])
def test_linear_counting(bits):
    """Linear counting is -m ln(1 - k/m) in thousandths; with all bits set it says m ln(2m) instead of infinity."""
    with localcontext() as c:
        c.prec = 40
        empty = [Decimal(max(bits - k, Decimal("0.5"))) for k in range(bits + 1)]
        expected = [
            int((-1000 * bits * (e / bits).ln()).quantize(Decimal(1), ROUND_HALF_EVEN)) for e in empty
        ]
    assert distinct(np.arange(bits + 1), bits).tolist() == expected


@pytest.mark.parametrize(("users", "allowed"), [(100, 0.05), (300, 0.06), (750, 0.08)])
def test_stated_error(users, allowed):
    """The standard error of counting users with 256 bits is what the documentation states, over 400 random draws (seed 7)."""
    random = np.random.default_rng(7)
    set_bits = np.array([len(np.unique(random.integers(0, 256, users))) for _ in range(400)])
    error = distinct(set_bits, 256) / 1000 / users - 1
    assert float(np.sqrt((error**2).mean())) == pytest.approx(allowed, rel=0.2)
