"""`python -m tests.checked_exchange FILE ...`: the paper exchange, its answers and frames compared with the fields.

What is wrong goes to FILE, a line for each kind of problem; the other arguments are those of the exchange.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from unittest.mock import patch

import orjson

from paper_exchange.__main__ import main as run_exchange
from paper_exchange.fields import load_fields
from paper_exchange.server.http_message import Answer, Request
from paper_exchange.server.rest import Rest
from paper_exchange.server.sockets import Socket

_NUMBER = re.compile(r"\[\d+\]")


class FieldTap:
    """Looks at what leaves the exchange, after everything else that concerns it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._file.touch()
        self._table = load_fields()
        self._told: set[str] = set()

    def install(self) -> None:
        """Before the exchange is built."""
        answer = Rest.answer
        send = Socket.send

        def answer_and_look(rest: Rest, request: Request) -> Answer | None:
            answered = answer(rest, request)
            if answered is not None and answered.content_type == "application/json":
                self._look(request, answered)
            return answered

        def look_and_send(socket: Socket, frame: str) -> None:
            self._tell(self._table.check_frame(socket.path, orjson.loads(frame)))
            send(socket, frame)

        patch.object(Rest, "answer", answer_and_look).start()
        patch.object(Socket, "send", look_and_send).start()

    def _look(self, request: Request, answer: Answer) -> None:
        if request.path.startswith("/v5/"):
            self._tell(self._table.check_answer(request.method, request.path, orjson.loads(answer.body)))

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
