"""The tick log: whole lines, and an end in words when it cannot be written."""

import gc
import json
from pathlib import Path

import pytest

from scoring.times import DAY
from streams.context import build_context
from streams.partition_context import Context
from streams.settings import Engine, Settings
from tests.property.feeds import START, event, tell

pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # open until the process ends


@pytest.fixture(autouse=True)
def nothing_left():
    """Logs go with the test that made them, and not in the middle of another."""
    yield
    gc.collect()


def logging_to(path: Path) -> Context:
    return build_context(Settings(engine=Engine(tick=86_400, grace=0, tick_log=path)))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_named():
    """A tick log that cannot be written stops the clock with the path, the reason and the way out."""
    with pytest.raises(
        OSError, match=r"tick log /dev/full: No space left.*unset ACCOUNTPULSE_ENGINE__TICK_LOG"
    ):
        tell([event("usage", START)], START + 2 * DAY, logging_to(Path("/dev/full")))


def test_a_line_that_was_cut_off_harms_no_other(tmp_path):
    """What is appended after a crash in the middle of a line begins on a line of its own."""
    path = tmp_path / "ticks.ndjson"
    path.write_bytes(b'{"account_id": "ac')
    tell([event("usage", START)], START + 2 * DAY, logging_to(path))
    tell([event("usage", START)], START + 2 * DAY, logging_to(path))
    broken, *whole = path.read_bytes().splitlines()
    assert broken == b'{"account_id": "ac'
    assert len(whole) >= 2
    assert {json.loads(line)["account_id"] for line in whole} == {"acme"}
