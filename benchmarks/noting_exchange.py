"""The paper exchange that also notes when each request to cancel reaches it, and whose it is.

Run as `python -m benchmarks.noting_exchange FILE ...`; the other arguments are those of the exchange. FILE gets a line
for each such request: the time on the machine's monotonic clock in ns, and the API key. Nothing else differs.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TextIO

from paper_exchange.__main__ import main as run_exchange
from paper_exchange.server.http_message import Answer, Request
from paper_exchange.server.rest import Rest

_CANCELS = ("/v5/order/cancel", "/v5/order/cancel-all", "/v5/order/cancel-batch")


def main() -> int:
    file, *arguments = sys.argv[1:]
    with Path(file).open("a", buffering=1) as notes:
        _note_cancels(notes)
        return run_exchange(arguments)


def _note_cancels(notes: TextIO) -> None:
    answer = Rest.answer

    def noted(rest: Rest, request: Request) -> Answer | None:
        if request.path in _CANCELS:
            notes.write(f"{time.monotonic_ns()} {request.headers.get('x-bapi-api-key', '')}\n")
        return answer(rest, request)

    setattr(Rest, "answer", noted)  # noqa: B010 - mypy takes no assignment to a method


if __name__ == "__main__":
    sys.exit(main())
