"""The heap of the C library."""

from __future__ import annotations

import subprocess
import sys

import pytest

_COUNT = """
import ctypes, threading
from streams import heap

libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
libc.fclose.argtypes = [ctypes.c_void_p]
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
{first}
kept, here = [], threading.Barrier(4)
def fill():
    kept.extend(bytes(3000) for _ in range(100))
    here.wait()
threads = [threading.Thread(target=fill) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
file = libc.fopen(b"{path}", b"w")
libc.malloc_info(0, file)
libc.fclose(file)
print(open("{path}").read().count("<heap nr"))
"""


def _heaps(first: str, path: str) -> int:
    code = _COUNT.format(first=first, path=path)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_threads_share_one_heap(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Threads that start after `share_one` allocate from one heap, before they had several."""
    path = str(tmp_path_factory.mktemp("heap") / "info.xml")
    if _heaps("", path) == 1:
        pytest.skip("this C library has one heap anyway")
    assert _heaps("assert heap.share_one()", path) == 1
