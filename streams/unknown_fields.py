"""Fields of events that the contract does not have: ignored, but told, or a misspelt name would be missed in silence.

One event of each batch is looked at: producers send the same fields again and again, and looking costs two or three
times what decoding does.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import msgspec

from scoring.events import EVENT_TYPES, TYPE_NAMES, AnyEvent
from streams.codec import CODE, Decoded
from streams.envelope import unwrap

_KNOWN: Final = {cls: {"type", *cls.__struct_fields__} for cls in EVENT_TYPES}
_MOST_NAMED: Final = 100
"""Fields named in warnings: a producer that makes up ever new ones must not fill memory or the log."""
_MOST_CHARACTERS: Final = 256
"""Of a name: a record allows a megabyte."""
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class UnknownFields:
    """Counts the events with such fields among those looked at, and keeps each new field until it is told."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        """Type to events."""
        self._named: set[tuple[str, str]] = set()
        self._untold: list[tuple[str, str]] = []

    def look(self, decoded: Decoded) -> None:
        """Look at the last good event of a batch."""
        if not decoded.events:
            return
        event = decoded.events[-1]
        found = unknown_fields(decoded.values[-1], event)
        if found:
            name = TYPE_NAMES[CODE[type(event)]]
            self.events[name] += 1
            for pair in [(name, field[:_MOST_CHARACTERS]) for field in found]:
                if pair not in self._named and len(self._named) < _MOST_NAMED:
                    self._named.add(pair)
                    self._untold.append(pair)

    def untold(self) -> list[tuple[str, str]]:
        """(type, field) of each field found since the last call, once in a process."""
        untold, self._untold = self._untold, []
        return untold


def unknown_fields(value: bytes, event: AnyEvent) -> list[str]:
    """The fields, sorted, that an event has and its type has not; `value` is what the event was decoded from."""
    try:
        told = _fields(value)
        if "event_id" not in told:
            told = _fields(unwrap(value) or value)
    except RecursionError:  # decoded one call less deep, it did just fit
        return []
    return sorted(told.keys() - _KNOWN[type(event)])
