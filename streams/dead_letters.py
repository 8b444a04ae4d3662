"""Dead letters: rejected records as they travel, with place and reason."""

from __future__ import annotations

from base64 import b64encode
from typing import Final, Literal

import msgspec
from msgspec import Struct

MAX_VALUE_BYTES: Final = 64 << 10
"""Longer values are cut."""
MAX_TEXT: Final = 1024
"""Characters of a detail and of a key: a dead letter of any record fits into its topic."""


class DeadLetter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rejected record: where it was, why it was rejected, and what it said.

    `timestamp` is the record's Kafka timestamp in milliseconds UTC; `key` is None if it was missing or is not
    UTF-8; `value` is None for a tombstone. Long keys and details are cut.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    reason: str
    detail: str = ""
    key: str | None = None
    value: str | None = None
    encoding: Literal["utf-8", "base64"] = "utf-8"
    truncated: bool = False

    @classmethod
    def of(
        cls,
        *,
        topic: str,
        partition: int,
        offset: int,
        timestamp: int,
        reason: str,
        detail: str = "",
        key: bytes | None,
        value: bytes | None,
    ) -> DeadLetter:
        """The dead letter of a raw record; `value` is cut at MAX_VALUE_BYTES."""
        text, encoding = _text(value)
        return cls(
            topic=topic,
            partition=partition,
            offset=offset,
            timestamp=timestamp,
            reason=reason,
            detail=detail[:MAX_TEXT],
            key=_key(key),
            value=text,
            encoding=encoding,
            truncated=value is not None and len(value) > MAX_VALUE_BYTES,
        )


encode: Final = msgspec.json.Encoder().encode
"""A DeadLetter to the value of its record; the record's key is `record_key` of the rejected record."""

decode: Final = msgspec.json.Decoder(DeadLetter).decode
"""The value of a record to a DeadLetter; raises msgspec.DecodeError."""


def record_key(key: bytes | None) -> bytes | None:
    """Key of the dead letter's own record: that of the rejected record, none if it is longer than any account id."""
    return None if key is None or len(key) > MAX_TEXT else key


def _key(key: bytes | None) -> str | None:
    try:
        return None if key is None else key.decode()[:MAX_TEXT]
    except UnicodeDecodeError:
        return None


def _text(value: bytes | None) -> tuple[str | None, Literal["utf-8", "base64"]]:
    if value is None:
        return None, "utf-8"
    head = value[:MAX_VALUE_BYTES]
    try:
        return head.decode(), "utf-8"
    except UnicodeDecodeError as error:
        if len(value) > MAX_VALUE_BYTES and error.reason == "unexpected end of data":
            return head[: error.start].decode(), "utf-8"  # our own cut went through a character
        return b64encode(head).decode(), "base64"
