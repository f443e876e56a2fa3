"""Choosing loopback ports for the processes we start."""

from __future__ import annotations

import secrets
import socket

from alpha.local.errors import StartFailed

LOOPBACK = "127.0.0.1"

# Below the range from which the kernel takes the local ports of outgoing connections (Linux: 32768 and up), so
# that no connection can take a port between our choosing it and the server's listening on it.
_LOWEST, _HIGHEST = 20_000, 32_000
_ATTEMPTS = 200


def free_port() -> int:
    """A TCP port on the loopback address that nothing listens on now. Raises StartFailed when none is found."""
    for _ in range(_ATTEMPTS):
        port = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST)
        if is_free(port):
            return port
    raise StartFailed(f"no free TCP port between {_LOWEST} and {_HIGHEST} on {LOOPBACK}; close what uses them")


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of an earlier server that linger in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
