"""What travels with a committed offset: the stream clock of its source, and which release could write it.

JSON, as brokers keep text: `[format, version of the rows, last tick passed, position]`. The first format had neither of
the first two; with the third, rows are not written because time passed, which earlier releases would not make up for
(`streams.takeover`). A release reads all earlier formats and refuses what a newer one wrote, before it joins.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from scoring.row import ROW_VERSION, RowVersionError
from streams.source_queue import Position

FORMAT: Final = 3

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(list[Any]).decode


class MetadataError(Exception):
    """The metadata of a committed offset was written by a newer release, or by another program."""


def encode(tick: int, position: Position) -> str:
    """Metadata to commit: the last tick passed, and where the source stands."""
    return _encode((FORMAT, ROW_VERSION, tick, position)).decode()


def decode(text: str) -> tuple[int, Position]:
    """The last tick passed, and where the source stands.

    Raises:
        MetadataError: it cannot be read.
        RowVersionError: it can, but the rows that belong to it are of a newer version.
    """
    try:
        told = _decode(text.encode())
        if len(told) == 2:
            return msgspec.convert(told, tuple[int, Position])
        version, rows = msgspec.convert(told[:2], tuple[int, int])
        _expect_known(version, rows)
        return msgspec.convert(told[2:], tuple[int, Position])
    except msgspec.MsgspecError as error:
        raise MetadataError(f"metadata {text[:80]!r} was not written by this program: {error}") from error


def _expect_known(version: int, rows: int) -> None:
    if version > FORMAT:
        raise MetadataError(
            f"metadata of format {version}, this program reads up to {FORMAT}: run the newer release"
        )
    if rows > ROW_VERSION:
        raise RowVersionError(
            f"state rows of version {rows}, this program reads up to {ROW_VERSION}: run the newer release"
        )
