"""`python -m alpha.service.probe PORT`: whether the process on this machine says that it is well.

A container asks this every few seconds, so it imports nothing but a part of the standard library.
"""

from __future__ import annotations

import http.client
import sys
from http import HTTPStatus

_WITHIN_S = 4.0
_SHOWN = 2_000


def ask(port: int, *, host: str = "127.0.0.1", path: str = "/healthz") -> tuple[bool, str]:
    """Whether the answer is 200, and what it says; what is wrong where nothing answers."""
    connection = http.client.HTTPConnection(host, port, timeout=_WITHIN_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read(_SHOWN).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return False, f"nothing answers on port {port}: {error}"
    finally:
        connection.close()
    return answer.status == HTTPStatus.OK, body


def main(arguments: list[str]) -> int:
    """0 when it is well, 1 when not. What it says is printed: `docker inspect` keeps it."""
    well, says = ask(int(arguments[0]))
    print(says)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
