"""CloudEvents 1.0 in structured mode: the event is the `data` of an envelope that carries id, subject and time.

Envelopes are unwrapped one by one after the plain form was tried: several times slower than plain events.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

_FROM_ENVELOPE: Final = {"event_id": "id", "account_id": "subject", "ts": "time", "type": "type"}
"""Field of an event to the envelope attribute that stands in for it."""


class _Envelope(Struct):
    specversion: str
    data: dict[str, msgspec.Raw]
    """As it was written: what an event makes of a number is for its own schema to say."""
    id: str | UnsetType = UNSET
    subject: str | UnsetType = UNSET
    time: str | UnsetType = UNSET
    type: str | UnsetType = UNSET


class _Head(Struct):
    specversion: Any = UNSET


_head: Final = msgspec.json.Decoder(_Head).decode
_envelope: Final = msgspec.json.Decoder(_Envelope).decode


def unwrap(value: bytes) -> bytes | None:
    """The event inside an envelope, None if the value is no envelope.

    `id`, `subject`, `time` and `type` (its last dot-separated part) fill in what `data` does not say.

    Raises:
        msgspec.ValidationError: the envelope has no usable `data`.
    """
    try:
        if _head(value).specversion is UNSET:
            return None
    except msgspec.ValidationError:
        return None
    envelope = _envelope(value)
    event: dict[str, msgspec.Raw | str] = dict(envelope.data)
    for field, attribute in _FROM_ENVELOPE.items():
        told = getattr(envelope, attribute)
        if told is not UNSET:
            event.setdefault(field, told.rpartition(".")[2] if field == "type" else told)
    return msgspec.json.encode(event)
