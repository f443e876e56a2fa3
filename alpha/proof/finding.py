"""What speaks against a proof, and the questions that it answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum, unique
from typing import Any

CENT = Decimal("0.01")
"""P&L has to be equal to less than this: how the exchange rounds an average price is its own affair. Fees, quantities
and sides have to be equal."""


@unique
class CheckName(StrEnum):
    """In the order in which they are told."""

    EXECUTIONS = "executions"
    POSITIONS = "positions"
    COVERAGE = "coverage"
    LOG = "transaction log"
    CLOSED_PNL = "closed P&L"
    DOUBLE_ENTRY = "double entry"
    BALANCE = "balance"
    ROUND_TRIPS = "round trips"
    DAILY_SUMS = "daily sums"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that speaks against a day. `subject` names the row: an execution id, an order id, a log id; where no
    single row is to blame the day and coin, the symbol or the interval. `at` is market time; None for what is so now,
    whichever day it comes from."""

    check: CheckName
    subject: str
    text: str
    at: datetime | None

    def to_json(self) -> dict[str, str]:
        return {"check": self.check, "subject": self.subject, "text": self.text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question and its answer. `text` says what was compared."""

    name: CheckName
    ok: bool
    text: str

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "ok": self.ok, "text": self.text}


def plain(number: Decimal) -> str:
    """Without an exponent and without zeros that say nothing."""
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text
