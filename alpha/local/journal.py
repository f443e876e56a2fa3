"""The exchange engine's own record of what it executed: the truth that demo and drill are judged by."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from alpha.domain.clock import from_ms
from alpha.domain.errors import AlphaError


class JournalUnreadable(AlphaError):
    """The exchange's journal is missing or holds a line that is not one execution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One execution as the engine made it, before anything was published."""

    exec_id: str
    account: str
    symbol: str
    order_id: str
    order_link_id: str
    side: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    exec_type: str
    exec_time: datetime
    """Market clock."""


def read_journal(path: Path) -> list[JournalEntry]:
    """Every execution of the journal, oldest first.

    Raises JournalUnreadable naming the line: a truth that cannot be read proves nothing.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise JournalUnreadable(f"the exchange's journal {path} cannot be read: {error.strerror}") from error
    return [_entry(line, f"{path}:{number}") for number, line in enumerate(lines, start=1) if line]


def _entry(line: str, where: str) -> JournalEntry:
    try:
        row = json.loads(line)
        return JournalEntry(
            exec_id=row["exec_id"],
            account=row["account"],
            symbol=row["symbol"],
            order_id=row["order_id"],
            order_link_id=row["order_link_id"],
            side=row["side"],
            price=Decimal(row["price"]),
            quantity=Decimal(row["quantity"]),
            fee=Decimal(row["fee"]),
            exec_type=row["exec_type"],
            exec_time=from_ms(row["exec_time"]),
        )
    except (ValueError, KeyError, TypeError, InvalidOperation) as error:
        raise JournalUnreadable(f"{where} is not an execution: {error!r}") from error
