"""What the exit code of our processes says, commands and services alike."""

from __future__ import annotations

from alpha.domain.errors import AlphaError, Misconfigured, Unreachable

FAILED, MISCONFIGURED, UNREACHABLE, INTERRUPTED = 1, 2, 3, 130


def exit_code(error: AlphaError) -> int:
    """Which exit code an error of ours means."""
    if isinstance(error, Misconfigured):
        return MISCONFIGURED
    if isinstance(error, Unreachable):
        return UNREACHABLE
    return FAILED
