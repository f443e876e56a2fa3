"""`alpha <service>` on a machine whose resolver knows `localhost` only for as long as a file exists."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

_resolve = socket.getaddrinfo


def resolve(host: Any, *arguments: Any, **named: Any) -> Any:
    if host in ("localhost", b"localhost") and not Path(os.environ["RESOLVER_FILE"]).exists():
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return _resolve(host, *arguments, **named)


if __name__ == "__main__":
    socket.getaddrinfo = resolve
    from alpha import cli

    sys.exit(cli.main())
