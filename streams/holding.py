"""What a held event weighs in the row of its account: only what folding reads of it.

Unknown fields are ignored when an event is folded, and an event may be 1 MiB of them; a row has to fit into one
record of the changelog, however many events wait in it.
"""

from __future__ import annotations

from functools import cache
from itertools import count
from typing import Final

import msgspec

from scoring.events import AnyEvent, Usage
from scoring.fold.usage import FEATURE_BITS, feature_bit

AS_IT_CAME: Final = 512
"""Bytes up to which a held event is kept as it came: most are shorter than what would be written in their place."""

_encode: Final = msgspec.json.Encoder().encode


def held_bytes(value: bytes, event: AnyEvent) -> bytes:
    """JSON that folds as `value` does, which holds `event`, and is short whatever else `value` says."""
    if len(value) <= AS_IT_CAME:
        return value
    if isinstance(event, Usage) and event.counts:  # the one field without a limit: a mapping of any size
        names = _names()
        bits = {feature_bit(name) for name, n in event.counts.items() if n > 0}
        event = msgspec.structs.replace(event, counts={names[bit]: 1.0 for bit in sorted(bits)})
    return _encode(event)


@cache
def _names() -> dict[int, str]:
    """A short name for every bit of the feature sketch, which is all that folding reads of a name."""
    names: dict[int, str] = {}
    for n in count():
        names.setdefault(feature_bit(str(n)), str(n))
        if len(names) == FEATURE_BITS:
            return names
    raise AssertionError  # counting does not end
