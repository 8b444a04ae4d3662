"""A worker process that counts; settings come from the environment.

A file named by COUNTING_FREEZE and the process id lets it freeze once, between encoding and writing to the topic that
the file names.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from streams import worker as role
from streams.app import Worker
from streams.fence import FencedWriter
from streams.settings import Settings
from tests.plumbing.counting_partition import CountingContext, CountingPartition


def freeze_before_writing(directory: str) -> None:
    """Let the writer stop this process when it is told to, with the records of a topic encoded and not yet sent."""
    flag, write = Path(directory) / f"freeze.{os.getpid()}", FencedWriter.write

    async def freezing(self: FencedWriter, outbox: Any) -> Any:
        outbox.close()
        name = flag.read_text() if flag.exists() else "none"
        if any(tp.topic.endswith(name) and len(q[0].data) > 200 for tp, q in outbox.batches.items()):
            flag.unlink()
            os.kill(os.getpid(), signal.SIGSTOP)
        return await write(self, outbox)

    FencedWriter.write = freezing  # type: ignore[method-assign]


def create(settings: Settings) -> Worker:
    context = CountingContext()
    return Worker(settings, context, lambda number: CountingPartition(number, context))


if __name__ == "__main__":
    if directory := os.environ.get("COUNTING_FREEZE"):
        freeze_before_writing(directory)
    code = role.run(Settings(), create)
    sys.stderr.flush()
    os._exit(code)
