"""The next release, as far as rows go: the same product, but it writes rows one version above today's, and reads both."""

from __future__ import annotations

import os
import sys
from typing import Any

import scoring.row
import scoring.upgrade
import streams.clock_metadata
from scoring.row import ROW_VERSION

NEWER = ROW_VERSION + 1


def install() -> None:
    """Turn this process into one of the next release."""
    present = scoring.upgrade.present_columns

    def read(hot: Any, version: int) -> Any:
        return present(hot, min(version, ROW_VERSION))

    scoring.upgrade._HEADS[NEWER] = scoring.upgrade._HEADS[ROW_VERSION]
    scoring.upgrade._MATRICES[NEWER] = scoring.upgrade._MATRICES[ROW_VERSION]
    scoring.upgrade.COLUMNS[NEWER] = scoring.upgrade.COLUMNS[ROW_VERSION]
    scoring.row.present_columns = read  # type: ignore[attr-defined]
    scoring.row.ROW_VERSION = streams.clock_metadata.ROW_VERSION = NEWER  # type: ignore[misc]


if __name__ == "__main__":
    install()
    from streams import worker as role
    from streams.settings import Settings

    code = role.run(Settings())
    sys.stderr.flush()
    os._exit(code)
