"""Metadata of committed offsets: read by all later releases, refused by earlier ones and by strangers, in words."""

import pytest

from scoring.row import ROW_VERSION, RowVersionError
from streams import clock_metadata
from streams.clock_metadata import FORMAT, MetadataError
from streams.pipeline import Partition
from streams.source_queue import Position
from tests.property.feeds import context

POSITION = Position(30, 20, [(60, 30), (120, 25)])


def test_what_is_written_is_read():
    """Tick and position come back as they were committed."""
    assert clock_metadata.decode(clock_metadata.encode(10, POSITION)) == (10, POSITION)


def test_it_is_sealed_with_the_end_of_the_changelog():
    """The end that is added comes back beside the rest; without one, as in earlier formats, it is 0."""
    metadata = clock_metadata.encode(10, POSITION)
    assert clock_metadata.decode(clock_metadata.sealed(metadata, 77)) == (10, POSITION)
    assert clock_metadata.changelog_end(clock_metadata.sealed(metadata, 77)) == 77
    unsealed = ("", metadata, "[10,[30,20,[[60,30]]]]", metadata.replace(f"[{FORMAT},", "[3,", 1))
    assert [clock_metadata.changelog_end(text) for text in unsealed] == [0, 0, 0, 0]


def test_the_first_format_is_read():
    """Metadata from before it had a version is that of the first format."""
    assert clock_metadata.decode("[10,[30,20,[[60,30],[120,25]]]]") == (10, POSITION)


def test_a_newer_format_is_refused():
    """A newer release may have changed everything behind the first number."""
    with pytest.raises(
        MetadataError, match=f"format {FORMAT + 1}, this program reads up to {FORMAT}.*newer release"
    ):
        clock_metadata.decode(f'[{FORMAT + 1},1,{{"whatever":true}}]')


def test_newer_rows_are_refused_by_the_metadata_alone():
    """Who committed with newer rows wrote some: nothing needs to be read to know it."""
    newer = clock_metadata.encode(10, POSITION).replace(f",{ROW_VERSION},", f",{ROW_VERSION + 1},", 1)
    with pytest.raises(RowVersionError, match=f"rows of version {ROW_VERSION + 1}.*up to {ROW_VERSION}"):
        clock_metadata.decode(newer)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "{}",
        "[]",
        "[1]",
        '["a","b"]',
        "[2,2]",
        "[2,2,3]",
        "[2,2,3,[1]]",
        "[1,2,3,4,5]",
        '[4,2,10,[30,20,[]],"end"]',
    ],
)
def test_foreign_metadata_is_named(text):
    """Text of another program is refused with what it says, and is no crash of some decoder."""
    with pytest.raises(MetadataError, match="not written by this program"):
        clock_metadata.decode(text)


def test_a_partition_refuses_it_before_it_changes():
    """A partition that is told such metadata raises, and one without any starts without a past."""
    partition = Partition(0, context())
    with pytest.raises(MetadataError):
        partition.resume(0, "x")
    partition.resume(0, "")
    assert partition.positions() == {}
