"""Waiting for a process to become ready, and giving up when the user wants to stop."""

from __future__ import annotations

import time
from collections.abc import Callable

from alpha.local.children import Child
from alpha.local.errors import StartFailed, StartInterrupted


def never() -> bool:
    """For callers that cannot be interrupted."""
    return False


def wait_until_ready(
    child: Child,
    ready: Callable[[], bool],
    *,
    within_s: float,
    interrupted: Callable[[], bool] = never,
    look_every_s: float = 0.02,
) -> None:
    """Returns once `ready()`. Raises StartFailed with the child's last words when it ends or takes longer than
    `within_s`, StartInterrupted as soon as `interrupted()`.
    """
    give_up = time.monotonic() + within_s
    while not ready():
        if interrupted():
            raise StartInterrupted(f"stopped while {child.name} was starting")
        if not child.running:
            # It may have become ready and ended between the two looks: a tool that ends is ready then.
            if ready():
                return
            raise StartFailed(
                f"{child.name} ended with code {child.exit_code}: {child.last_words()} (log: {child.log})"
            )
        if time.monotonic() > give_up:
            raise StartFailed(
                f"{child.name} was not ready after {within_s:.0f} s: {child.last_words()} (log: {child.log})"
            )
        time.sleep(look_every_s)
