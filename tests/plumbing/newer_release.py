"""The next release, as far as rows go: the same product, but it writes rows one version above today's, and reads both."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

import scoring.row
import scoring.upgrade
import streams.clock_metadata
from scoring.row import ROW_VERSION

NEWER = ROW_VERSION + 1


def install(patch: pytest.MonkeyPatch) -> None:
    """Turn this process into one of the next release, until the patch is undone."""
    present = scoring.upgrade.present_columns

    def read(hot: Any, version: int) -> Any:
        return present(hot, min(version, ROW_VERSION))

    for table in (scoring.upgrade._HEADS, scoring.upgrade._MATRICES, scoring.upgrade.COLUMNS):
        patch.setitem(table, NEWER, table[ROW_VERSION])  # type: ignore[attr-defined, index]
    patch.setattr(scoring.row, "present_columns", read)
    for module in (scoring.row, streams.clock_metadata):
        patch.setattr(module, "ROW_VERSION", NEWER)


if __name__ == "__main__":
    install(pytest.MonkeyPatch())
    from streams import worker as role
    from streams.settings import Settings

    code = role.run(Settings())
    sys.stderr.flush()
    os._exit(code)
