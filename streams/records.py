"""Records of a partition as columns: no object for each of them, which the garbage collector would look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, overload

import numpy as np

from scoring.times import Int64


class Record(Protocol):
    """What a record of a batch gives: aiokafka's Cython record, or a line of a file."""

    @property
    def offset(self) -> int:
        """Position in the partition."""

    @property
    def timestamp(self) -> int:
        """Milliseconds UTC, set by the broker or the producer."""

    @property
    def key(self) -> bytes | None:
        """Key bytes: the account id as UTF-8."""

    @property
    def value(self) -> bytes | None:
        """Value bytes: the event as JSON, None for a tombstone."""


class One(NamedTuple):
    """One of several records."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Records(Sequence[Record]):
    """Records in log order. Slices share the arrays: nothing is to be changed."""

    __slots__ = ("keys", "offsets", "timestamps", "values")

    def __init__(
        self,
        offsets: Int64,
        timestamps: Int64,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
    ) -> None:
        self.offsets = offsets
        self.timestamps = timestamps
        self.keys = keys
        self.values = values

    @classmethod
    def of(cls, records: Sequence[Record]) -> Records:
        """The same records as columns, themselves if they are."""
        if isinstance(records, cls):
            return records
        return cls(
            _offsets(records),
            np.array([r.timestamp for r in records], np.int64),
            [r.key for r in records],
            [r.value for r in records],
        )

    @classmethod
    def joined(cls, parts: Sequence[Records]) -> Records:
        """Parts that follow each other as one; at least one part."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.offsets for part in parts]),
            np.concatenate([part.timestamps for part in parts]),
            [key for part in parts for key in part.keys],
            [value for part in parts for value in part.values],
        )

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, at: int) -> One: ...

    @overload
    def __getitem__(self, at: slice) -> Records: ...

    def __getitem__(self, at: int | slice) -> One | Records:
        """One record, or some of them as columns."""
        if isinstance(at, slice):
            return Records(self.offsets[at], self.timestamps[at], self.keys[at], self.values[at])
        return One(self.offsets.item(at), self.timestamps.item(at), self.keys[at], self.values[at])

    def since(self, offset: int) -> Records:
        """Those from an offset on."""
        return self[int(np.searchsorted(self.offsets, offset)) :]


def _offsets(records: Sequence[Record]) -> Int64:
    """The offsets of records in log order; most batches have no hole."""
    if records:
        first, last = records[0].offset, records[-1].offset
        if last - first == len(records) - 1:
            return np.arange(first, last + 1)
    return np.array([r.offset for r in records], np.int64)
