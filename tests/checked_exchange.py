"""`python -m tests.checked_exchange FILE ...`: the paper exchange, its answers and frames compared with the fields.

What is wrong goes to FILE, a line for each kind of problem; the other arguments are those of the exchange.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch
from weakref import WeakKeyDictionary

import orjson
from aiohttp import web

from paper_exchange.__main__ import main as run_exchange
from paper_exchange.fields import load_fields
from paper_exchange.server.rest import Rest
from paper_exchange.server.sockets import Socket

_NUMBER = re.compile(r"\[\d+\]")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_path: ContextVar[str] = ContextVar("path")
"""Of the request that a socket was opened by."""


class FieldTap:
    """Looks at what leaves the exchange, after everything else that concerns it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._file.touch()
        self._table = load_fields()
        self._told: set[str] = set()

    def install(self) -> None:
        """Before the exchange is built."""
        add_to = Rest.add_to
        opened = Socket.__init__
        send = Socket.send
        paths: WeakKeyDictionary[Socket, str] = WeakKeyDictionary()

        def add_to_and_look(rest: Rest, app: web.Application) -> None:
            add_to(rest, app)
            app.middlewares.insert(0, self._looked_at)

        def open_and_note(socket: Socket, *arguments: Any, **options: Any) -> None:
            opened(socket, *arguments, **options)
            paths[socket] = _path.get()

        def look_and_send(socket: Socket, frame: str) -> None:
            path = paths[socket]
            self._tell(self._table.check_frame(path, orjson.loads(frame)))
            send(socket, frame)

        patch.object(Rest, "add_to", add_to_and_look).start()
        patch.object(Socket, "__init__", open_and_note).start()
        patch.object(Socket, "send", look_and_send).start()

    @web.middleware
    async def _looked_at(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        _path.set(request.path)
        response = await handler(request)
        if not isinstance(response, web.Response) or not request.path.startswith("/v5/"):
            return response
        if response.content_type == "application/json":
            content = orjson.loads(cast(bytes, response.body))
            self._tell(self._table.check_answer(request.method, request.path, content))
        return response

    def _tell(self, problems: list[str]) -> None:
        for problem in problems:
            line = _NUMBER.sub("[]", problem)
            if line not in self._told:
                self._told.add(line)
                with self._file.open("a") as file:
                    file.write(f"{line}\n")


if __name__ == "__main__":
    FieldTap(Path(sys.argv[1])).install()
    sys.exit(run_exchange(sys.argv[2:]))
