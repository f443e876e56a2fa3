"""The engine's own record of its executions, one JSON line each, by which everything downstream is judged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import orjson

from alpha.domain.clock import to_ms
from alpha.domain.errors import AlphaError
from paper_exchange.accounts import Accounts
from paper_exchange.engine import Execution
from paper_exchange.line_file import LineFile, whole_lines
from paper_exchange.server.wire_text import number


class JournalUnusable(AlphaError):
    """The journal cannot be written, or holds something else."""


class Journal:
    """Append-only. Written before anything is published, so that what was published is always in it."""

    def __init__(self, path: Path, accounts: Accounts, *, continued: bool) -> None:
        """`continued` goes on with what is there (an exchange started again from its state); else it begins empty.

        Raises JournalUnusable.
        """
        self._accounts = accounts
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not continued:
                path.write_bytes(b"")
            # what the exchange did before it was started again, and has not done again yet
            self._kept = {json.loads(line)["exec_id"] for line in whole_lines(path).splitlines() if line}
            self._file = LineFile(path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise JournalUnusable(f"the journal {path} cannot be continued: {error}; move it away") from error

    def write(self, executions: Sequence[Execution]) -> None:
        """Returns when the operating system has the lines of executions; those it was continued with are not repeated.

        An exchange that was started again does them again: from its inputs all of them, or, when its inputs are older
        than the journal, the last ones only when it is asked for them again.

        Raises Unwritable when they cannot be written, and then none of them is.
        """
        lines = [self._line(execution) for execution in executions if execution.exec_id not in self._kept]
        if lines:
            self._file.append(b"".join(lines))
        if self._kept:
            self._kept.difference_update([execution.exec_id for execution in executions])

    def begin_anew(self) -> None:
        """Forgets everything: the exchange became another one, which writes what it did before."""
        self._kept.clear()
        self._file.empty()

    def close(self) -> None:
        self._file.close()

    def _line(self, execution: Execution) -> bytes:
        row = {
            "uid": execution.uid,
            "account": self._accounts.of_uid(execution.uid).name,
            "symbol": execution.symbol,
            "exec_id": execution.exec_id,
            "order_id": execution.order_id,
            "order_link_id": execution.order_link_id,
            "side": execution.side,
            "price": number(execution.price),
            "quantity": number(execution.quantity),
            "fee": number(execution.fee),
            "exec_type": execution.exec_type,
            "exec_time": to_ms(execution.exec_time),
            "seq": execution.seq,
            "leaves": number(execution.leaves_quantity),
            "closed": number(execution.closed_size),
        }
        return orjson.dumps(row) + b"\n"
