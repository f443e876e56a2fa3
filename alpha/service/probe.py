"""`python -m alpha.service.probe PORT`: whether the process on this machine says that it is well.

Every container asks this every few seconds, so it imports next to nothing: http.client alone would double its cost.
"""

from __future__ import annotations

import socket
import sys

# Longer than any process waits for what it asks of others before it answers, shorter than a container's check may take.
_WITHIN_S = 8.0
_SHOWN = 2_000
_LONGEST = 1 << 16


def ask(port: int, *, host: str = "127.0.0.1", path: str = "/healthz") -> tuple[bool, str]:
    """Whether the answer is 200, and what it says; what is wrong where nothing answers."""
    try:
        with socket.create_connection((host, port), timeout=_WITHIN_S) as connection:
            # Of HTTP 1.0, so that the answer ends with the connection and comes in one piece.
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode())
            answer = b""
            while len(answer) < _LONGEST and (more := connection.recv(_LONGEST)):
                answer += more
    except OSError as error:
        return False, f"nothing answers on port {port}: {error}"
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b"\r\n")[0].split(b" ", 2)
    if len(status) < 2 or not status[0].startswith(b"HTTP/"):
        return False, f"nothing answers on port {port}: what is there does not speak HTTP"
    return status[1] == b"200", body[:_SHOWN].decode(errors="replace").strip()


def main(arguments: list[str]) -> int:
    """0 when it is well, 1 when not. What it says is printed: `docker inspect` keeps it."""
    well, says = ask(int(arguments[0]))
    print(says)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
