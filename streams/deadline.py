"""An end that is never late: signals are heard, and the process ended, even if the event loop does not turn.

asyncio's own signal handlers run in the loop. A loop that hangs, in a call that does not return or in code that does
not give way, would hear SIGTERM never; here a thread does, and a timer outside the interpreter ends the process.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import threading
from collections.abc import Callable, Sequence


class Deadline:
    """Ends the process with status 1, some time after it was first armed, and says on stderr where it hung."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._armed = False

    def arm(self) -> None:
        """Start the time; later calls change nothing."""
        if not self._armed:
            self._armed = True
            faulthandler.dump_traceback_later(self._seconds, exit=True)


def hear(numbers: Sequence[signal.Signals], deadline: Deadline, told: Callable[[int], None]) -> None:
    """Arm the deadline at the first of these signals, and call `told` with the number of each in the running loop.

    For the main thread, once in a process: Python has one wake-up descriptor.
    """
    loop = asyncio.get_running_loop()
    listening, waking = os.pipe()
    os.set_blocking(waking, False)
    for number in numbers:
        signal.signal(number, lambda *_: None)  # or the default would end the process at once
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)

    def listen() -> None:
        while True:
            for number in os.read(listening, 16):
                if number in numbers:
                    deadline.arm()
                    loop.call_soon_threadsafe(told, number)

    threading.Thread(target=listen, name="signals", daemon=True).start()
