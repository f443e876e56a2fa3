"""Started in front of every child: arranges that the child ends with its supervisor, then becomes the child.

A script of its own, run with `python -I -S` and importing the standard library only, because what it does must happen
between fork and exec, and a `preexec_fn` in a process with threads can deadlock.

Usage: launch.py SUPERVISOR_PID ORPHAN_SIGNAL UID GID GUARD_FD -- PROGRAM [ARGUMENT...]
    UID and GID: the user to become, -1 to stay
    GUARD_FD: read end of a pipe whose write end only the supervisor holds; -1 to use the kernel's parent-death signal
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1
_LOOK_EVERY_S = 0.2
_GRACE_S = 5.0


def main(arguments: list[str]) -> None:
    supervisor, orphan_signal, uid, gid, guard_fd = (int(value) for value in arguments[:5])
    program = arguments[6:]
    libc = ctypes.CDLL(None, use_errno=True) if guard_fd < 0 else None
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if libc is not None:
        # After setuid: changing the user clears the parent-death signal (prctl(2)).
        if libc.prctl(_PR_SET_PDEATHSIG, orphan_signal, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        # A supervisor that died before the line above sends no signal any more.
        if os.getppid() != supervisor:
            sys.exit(f"supervisor {supervisor} is gone; not starting {program[0]}")
    else:
        _start_guard(guard_fd, orphan_signal)
        os.close(guard_fd)
    os.execvp(program[0], program)


def _start_guard(guard_fd: int, orphan_signal: int) -> None:
    """Leaves a process behind that ends this one when the pipe closes, that is when the supervisor is gone.

    Forked twice, so that the program does not find a child that it never started.
    """
    child = os.getpid()
    first = os.fork()
    if first:
        os.waitpid(first, 0)
        return
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    while _alive(child):
        readable, _, _ = select.select([guard_fd], [], [], _LOOK_EVERY_S)
        if readable:
            _end(child, orphan_signal)
            break
    os._exit(0)


def _end(pid: int, orphan_signal: int) -> None:
    os.kill(pid, orphan_signal)
    give_up = time.monotonic() + _GRACE_S
    while _alive(pid):
        if time.monotonic() > give_up:
            os.kill(pid, signal.SIGKILL)
            return
        time.sleep(_LOOK_EVERY_S)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1:])
