"""Threads share one heap where the C library is glibc."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

_HEAPS_OF_THREADS = """
import ctypes, sys, threading
from alpha.service.heap import share_one_heap

if sys.argv[1] == "shared":
    share_one_heap()
all_there = threading.Barrier(4)

def work() -> None:
    held = [bytes(10_000) for _ in range(10)]
    all_there.wait()

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(sys.argv[2].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="heaps are counted by glibc")
def test_threads_share_one_heap(tmp_path: Path) -> None:
    assert heaps("shared", tmp_path / "shared.xml") == 1
    assert heaps("as by default", tmp_path / "default.xml") > 1


def heaps(how: str, said: Path) -> int:
    """How many heaps a process with a few threads has, by its own account."""
    env = {name: value for name, value in os.environ.items() if name not in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")}
    subprocess.run([sys.executable, "-c", _HEAPS_OF_THREADS, how, str(said)], check=True, timeout=60, env=env)
    return said.read_text().count("<heap nr=")
