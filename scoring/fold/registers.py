"""Registers that merge in any order, and the counting of their owners in rings."""

from __future__ import annotations

from typing import Final

import msgspec

from scoring.state import Store
from scoring.times import DAY, UNSET

Counts = list[tuple[str, int]]
"""What something is counted in: (ring, bucket)."""
canonical: Final = msgspec.json.Encoder(order="deterministic").encode
"""Canonical JSON: decides between values told at the same time."""
NOTABLE: Final = 6
"""Notable events kept as evidence."""


def earliest(known: int, ts: int) -> int:
    """The smaller of two times, of which the first may be UNSET."""
    return ts if known == UNSET else min(known, ts)


def counted(ring: str, ts: int, width: int) -> Counts:
    """One count at a time, none if it is UNSET; `width` is DAY or 7 * DAY."""
    return [] if ts == UNSET else [(ring, ts // DAY // (width // DAY))]


def replace_counts(store: Store, row: int, before: Counts, after: Counts) -> None:
    """Move the counts of a changed entry: what it counted before is taken back.

    Buckets that have left their ring are skipped both ways.
    """
    if before == after:
        return
    for ring, bucket in before:
        store.count(ring, row, bucket, -1)
    for ring, bucket in after:
        store.count(ring, row, bucket, 1)


def keep_newest(recent: list[tuple[int, str, str]], entry: tuple[int, str, str]) -> None:
    """Keep the newest notable events, sorted; the same whatever order they came in."""
    if not recent or entry[0] > recent[-1][0]:
        recent.append(entry)
    elif entry in recent:
        return
    else:
        recent.append(entry)
        recent.sort()
    if len(recent) > NOTABLE:
        del recent[0]


def replace_smallest(store: Store, column: str, row: int, before: int, now: int, unknown: set[int]) -> None:
    """One of the times whose smallest a column holds (UNSET: of none) changed; rows to look through go into `unknown`.

    Only where the smallest itself went: an account with thousands of open invoices is not walked through at each event.
    """
    if before == now:
        return
    values = store.hot[column]
    smallest = values.item(row)
    if now != UNSET and (smallest == UNSET or now <= smallest):
        values[row] = now
    elif before == smallest != UNSET:
        unknown.add(row)
