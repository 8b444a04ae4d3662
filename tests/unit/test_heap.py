"""The heap of the C library."""

import ctypes
import subprocess
import sys

import pytest

_THREADS = """
import ctypes, threading
from streams import heap

{first}
kept, together = [], threading.Barrier(4)
def fill():
    kept.extend(bytes(3000) for _ in range(100))
    together.wait()
threads = [threading.Thread(target=fill) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
"""


def _heaps(first: str) -> int:
    """The heaps of a process in which four threads allocated at the same time, by what glibc tells."""
    code = _THREADS.format(first=first)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.count("<heap nr")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="this C library is not glibc")
def test_threads_share_one_heap() -> None:
    """Threads that start after `share_one` allocate from one heap, where they would have had several."""
    if _heaps("") == 1:
        pytest.skip("the environment asks for one heap already")
    assert _heaps("assert heap.share_one()") == 1
