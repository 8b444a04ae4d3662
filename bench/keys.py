"""Accounts by number: their keys, their partitions (murmur2 over whole arrays at once), and who is picked how often."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]

ZIPF: Final = 1.1
"""Exponent of the skewed load: the busiest of 100,000 accounts sends about a seventh of all events."""
_DIGITS: Final = 7
_M: Final = np.uint32(0x5BD1E995)
_SEED: Final = 0x9747B28C


def key_bytes(accounts: Int64, digits: int = _DIGITS) -> NDArray[np.uint8]:
    """Keys `acct-0000000` of account numbers, one row of bytes each."""
    powers = 10 ** np.arange(digits - 1, -1, -1)
    out = np.empty((len(accounts), 5 + digits), np.uint8)
    out[:, :5] = np.frombuffer(b"acct-", np.uint8)
    out[:, 5:] = accounts[:, None] // powers % 10 + ord("0")
    return out


def murmur2(keys: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """`streams.partitioner.murmur2` of keys of one length, a row of bytes each."""
    count, length = keys.shape
    words = length >> 2
    h = np.full(count, _SEED ^ length, np.uint32)
    whole = np.ascontiguousarray(keys[:, : words * 4]).view("<u4")
    for i in range(words):
        k = whole[:, i] * _M
        k = (k ^ (k >> np.uint32(24))) * _M
        h = h * _M ^ k
    if tail := length & 3:
        rest = np.zeros(count, np.uint32)
        for i in range(tail):
            rest |= keys[:, words * 4 + i].astype(np.uint32) << np.uint32(8 * i)
        h = (h ^ rest) * _M
    h = (h ^ (h >> np.uint32(13))) * _M
    return h ^ (h >> np.uint32(15))


def partitions_of(accounts: Int64, partitions: int, digits: int = _DIGITS) -> NDArray[np.int32]:
    """The partition of each account number."""
    hashed = murmur2(key_bytes(accounts, digits)) & np.uint32(0x7FFFFFFF)
    return (hashed % np.uint32(partitions)).astype(np.int32)


def zipf_shares(accounts: int, exponent: float = ZIPF) -> NDArray[np.float64]:
    """Share of the events of the busiest account, the second, and so on; they sum to 1."""
    weight = 1.0 / np.arange(1, accounts + 1, dtype=np.float64) ** exponent
    shares: NDArray[np.float64] = weight / weight.sum()
    return shares


class Picker:
    """Draws account numbers: uniformly, or by Zipf with the ranks dealt out at random."""

    def __init__(self, accounts: int, *, zipf: bool, random: np.random.Generator) -> None:
        self._accounts = accounts
        self._random = random
        self._cdf = np.cumsum(zipf_shares(accounts)) if zipf else None
        self._of_rank = random.permutation(accounts) if zipf else None

    def draw(self, count: int) -> Int64:
        """`count` account numbers."""
        if self._cdf is None or self._of_rank is None:
            return self._random.integers(0, self._accounts, count)
        ranks = np.searchsorted(self._cdf, self._random.random(count))
        drawn: Int64 = self._of_rank[np.minimum(ranks, self._accounts - 1)]
        return drawn
