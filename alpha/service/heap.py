from __future__ import annotations

import ctypes

# malloc.h of glibc
_M_ARENA_MAX = -8


def share_one_heap() -> None:
    """Let all threads of this process share one heap; to be called before they start.

    glibc gives threads heaps of their own, so that they do not wait for each other, and each heap keeps what was once
    needed at most. The interpreter runs one thread at a time anyway. A C library without that setting is left alone.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    set_option(_M_ARENA_MAX, 1)
