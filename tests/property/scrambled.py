"""Accounts that no events would make."""

from __future__ import annotations

import numpy as np

from scoring.state import Store
from scoring.times import DAY
from tests.property.feeds import START
from tests.property.strategies import END


def scrambled(n: int, seed: int) -> Store:
    """Accounts with random but legal columns: far stranger than events would make them."""
    random, store = np.random.default_rng(seed), Store()
    store.roll(END // DAY)
    for i in range(n):
        store.row(str(i).encode())
    hot = store.hot
    for name in (
        "first_ts", "created_ts", "first_value_ts", "urgent_since", "oldest_due", "two_way_ts", "sponsor_ts",
        "onboarded_ts", "onboarding_due", "goal_due", "last_value_ts", "renewal", "deadline",
    ):  # fmt: skip
        hot[name][:n] = np.where(random.random(n) < 0.3, -1, random.integers(START - 200 * DAY, END, n))
    hot["last_seen"][:n] = np.where(random.random((n, 8)) < 0.3, -1, START)
    hot["seats"][:n], hot["tier"][:n] = random.integers(0, 50, n), random.integers(-1, 3, n)
    hot["flags"][:n], hot["users_max"][:n] = (
        random.choice([0, 1, 4, 5, 505, 509], n),
        random.integers(0, 40, (n, 6)),
    )
    hot["users"][:n] = random.integers(0, 2**63, (n, 6, 4)) & random.integers(0, 2**63, (n, 6, 4))
    hot["features"][:n], hot["active"][:n] = (
        random.integers(0, 2**20, (n, 6)),
        random.integers(0, 2**62, (n, 2, 2)),
    )
    hot["survey_n"][:n], hot["survey_mean"][:n] = (
        random.integers(0, 3, (n, 3)),
        random.integers(0, 100_001, (n, 3)),
    )
    hot["survey_ts"][:n], hot["mrr"][:n] = (
        random.integers(START, END, (n, 3)),
        random.integers(-1, 10**6, (n, 14)),
    )
    usage = random.integers(0, 10 ** random.integers(1, 13), (n, 128)) * (random.random((n, 128)) < 0.5)
    store.rings["usage"].put(np.arange(n), usage)
    hot["contact_ts"][:n] = random.integers(START - 200 * DAY, END, (n, 8))
    hot["goal"][:n], hot["sponsors"][:n] = random.integers(-1, 100_001, n), random.integers(0, 4, n)
    for matrix, most, buckets in (("touches", 4, 96), ("errors", 9, 32), ("counts", 3, 288)):
        store.rings[matrix].put(np.arange(n), random.integers(0, most, (n, buckets)))
    return store
