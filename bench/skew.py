"""What hashing and skew do to partitions, and how long a takeover lasts: a small simulation, the same for the same seed.

`python -m bench.skew` prints the tables of docs/scale.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.keys import ZIPF, partitions_of, zipf_shares

_HEAD: Final = 1_000_000
"""Ranks that are hashed one by one; what is behind them is too fine to make any partition stand out."""
_DIGITS: Final = 9


class Skew(NamedTuple):
    """How unevenly the events fall."""

    accounts: int
    partitions: int
    busiest: float
    """Events of the busiest partition, as a multiple of the mean."""
    one_account: float
    """Events of the busiest account, as a multiple of the mean of a partition: more partitions do not help it."""


class Takeover(NamedTuple):
    """One worker of many leaves."""

    workers: int
    partitions: int
    rows: float
    """Rows that the survivor with the most to do recovers."""
    seconds: float


def loads(
    accounts: int, partitions: int, random: np.random.Generator, *, zipf: bool = True
) -> NDArray[np.float64]:
    """The share of all events on each partition, of accounts with keys as in the load."""
    head = min(accounts, _HEAD)
    shares = _head_shares(accounts, head) if zipf else np.full(head, 1.0 / accounts)
    numbers = random.permutation(accounts) if head == accounts else _distinct(accounts, head, random)
    found = np.bincount(
        partitions_of(numbers, partitions, _DIGITS), weights=shares, minlength=partitions
    ).astype(np.float64)
    if head == accounts:
        return found
    behind = random.multinomial(accounts - head, np.full(partitions, 1.0 / partitions))
    return np.asarray(found + (1.0 - shares.sum()) * behind / behind.sum())


def _head_shares(accounts: int, head: int) -> NDArray[np.float64]:
    if head == accounts:
        return zipf_shares(accounts)
    weight = 1.0 / np.arange(1, head + 1, dtype=np.float64) ** ZIPF
    tail = (head ** (1 - ZIPF) - accounts ** (1 - ZIPF)) / (
        ZIPF - 1
    )  # the sum behind the head, as an integral
    return np.asarray(weight / (weight.sum() + tail))


def _distinct(accounts: int, count: int, random: np.random.Generator) -> NDArray[np.int64]:
    found = np.unique(random.integers(0, accounts, count * 11 // 10))
    return random.permutation(found)[:count]


def skew(accounts: int, partitions: int, *, seed: int = 1, zipf: bool = True, trials: int = 5) -> Skew:
    """The worst of some trials."""
    random = np.random.default_rng(seed)
    busiest = max(loads(accounts, partitions, random, zipf=zipf).max() for _ in range(trials)) * partitions
    top = float(_head_shares(accounts, min(accounts, _HEAD))[0]) if zipf else 1.0 / accounts
    return Skew(accounts, partitions, float(busiest), top * partitions)


def takeover(
    accounts: int, partitions: int, workers: int, *, rows_per_s: float, fixed_s: float, seed: int = 1, trials: int = 50
) -> Takeover:  # fmt: skip
    """One worker leaves; its partitions go to the survivors in equal numbers, and each recovers its own one after the other.

    Args:
        accounts: rows of the changelog, spread over the partitions by their hash.
        partitions: how many.
        workers: before one leaves.
        rows_per_s: what a worker recovers in a second.
        fixed_s: from the signal to the first row, and from the last row to the next commit.
        seed: of the trials.
        trials: the slowest of them counts.

    Raises ValueError for fewer than two workers or fewer partitions than workers.
    """
    if workers < 2 or partitions < workers:
        raise ValueError("a takeover needs two workers, and a partition for each")
    random = np.random.default_rng(seed)
    worst = 0.0
    for _ in range(trials):
        rows = random.multinomial(accounts, np.full(partitions, 1.0 / partitions))
        worst = max(worst, *_recovered(rows[: -(-partitions // workers)], workers - 1))
    return Takeover(workers, partitions, worst, fixed_s + worst / rows_per_s)


def _recovered(orphans: NDArray[np.int64], survivors: int) -> Iterator[float]:
    for number in range(min(survivors, len(orphans))):
        yield float(orphans[number::survivors].sum())


def main() -> None:
    """Print both tables."""
    print(
        f"{'accounts':>12} {'partitions':>10} {'uniform':>8} {'Zipf':>6} {'one account':>11}   (times the mean)"
    )
    for accounts, partitions in ((10_000, 4), (10_000, 32), (1_000_000, 32), (100_000_000, 256)):
        flat, steep = skew(accounts, partitions, zipf=False), skew(accounts, partitions)
        print(
            f"{accounts:>12,} {partitions:>10} {flat.busiest:>8.2f} {steep.busiest:>6.2f} {steep.one_account:>11.2f}"
        )


if __name__ == "__main__":
    main()
