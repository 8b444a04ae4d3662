"""What travels with a committed offset: the stream clock of its source, and which release could write it.

JSON, as brokers keep text: `[format, version of the rows, last tick passed, position, end of the changelog]`. The first
format had neither of the first two; with the third, rows are not written because time passed, which earlier releases
would not make up for (`streams.takeover`); the fourth has the end, below which lie the rows of all that was read. A
release reads all earlier formats and refuses what a newer one wrote, before it joins.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from scoring.row import ROW_VERSION, RowVersionError
from streams.source_queue import Position

FORMAT: Final = 4

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(list[Any]).decode


class MetadataError(Exception):
    """The metadata of a committed offset was written by a newer release, or by another program."""


def encode(tick: int, position: Position) -> str:
    """Metadata to commit: the last tick passed, and where the source stands; to be `sealed`."""
    return _encode((FORMAT, ROW_VERSION, tick, position)).decode()


def sealed(metadata: str, end: int) -> str:
    """The same with the offset behind the last row that was acknowledged, known once all rows are written."""
    return f"{metadata[:-1]},{end}]"


def changelog_end(metadata: str) -> int:
    """What it was sealed with; 0 where nothing tells, as in earlier formats. Of metadata that `decode` can read."""
    told = _decode(metadata.encode()) if metadata else []
    return int(told[4]) if len(told) > 4 else 0


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
        msgspec.convert(told[4:], list[int])
        return msgspec.convert(told[2:4], tuple[int, Position])
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
