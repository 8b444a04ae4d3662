"""What was produced, account by account: the truth that the recount at the end of every run compares with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.keys import Int64
from bench.load import Block
from scoring.events import SOURCES


class Tally:
    """Units of usage, and the offset of the last event, per account and input topic, of topics that begin empty."""

    def __init__(self, accounts: int, partitions: int) -> None:
        self.partitions = partitions
        self.events = 0
        self.units: Int64 = np.zeros(accounts, np.int64)
        self.last: Int64 = np.full((len(SOURCES), accounts), -1, np.int64)
        """Offset of the last event; -1 where there is none."""
        self._ends = np.zeros(len(SOURCES) * partitions, np.int64)

    def add(self, block: Block) -> None:
        """Count a block, all of which is produced in this order, and nothing else."""
        self.events += len(block.accounts)
        np.add.at(self.units, block.accounts, block.quantities)
        log = block.sources * self.partitions + block.partitions
        for number in np.unique(log).tolist():
            at = np.flatnonzero(log == number)
            offsets = self._ends[number] + np.arange(len(at))
            # of an account that comes twice, numpy keeps what is assigned last
            self.last[number // self.partitions, block.accounts[at]] = offsets
            self._ends[number] += len(at)

    def end(self, source: int, partition: int) -> int:
        """Where a partition of an input topic ends."""
        return int(self._ends[source * self.partitions + partition])

    def wrong(self, accounts: Int64, units: Int64, fences: NDArray[np.int64]) -> int:
        """How many accounts differ, of those found in the rows (each once) and those produced.

        Args:
            accounts: numbers of the accounts that have a row.
            units: units of usage in each of these rows.
            fences: per row and input topic, the offset up to which events were applied.
        """
        found = np.zeros(len(self.units), bool)
        found[accounts] = True
        touched = (self.last >= 0).any(axis=0) | (self.units > 0)
        missing = int((touched & ~found).sum())
        differs = (units != self.units[accounts]) | (fences != self.last[:, accounts].T).any(axis=1)
        return missing + int(differs.sum()) + len(accounts) - len(np.unique(accounts))
